"""What has the stack serve a project of somebody else's; `scripts/adopt --help` says how."""


class RefusedError(Exception):
    """A project or an option that can't be adopted: one line, with the repair."""
