"""How a check says no."""


class RefusedError(Exception):
    """What the operator gave can't be used: one line with the file and the repair, no secret."""
