"""One stack for every verb: each is typed while clients are signed in."""

from collections.abc import Iterator

import pytest
from operated import Site


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """Return the stack, with its image built, on the engine that has both stores."""
    site = Site()
    site.create()
    try:
        site.begin("cached_db", "hardened")
        yield site
    finally:
        site.destroy()
