"""How many wrong passwords are free, and how long the next one has to wait."""

import math
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Limit:
    """A wait after `free` failures, doubled by each further one.

    Times are seconds. `forget` is the time after which one failure is forgotten.
    """

    free: int
    first: int
    longest: int
    forget: int

    @property
    def most(self) -> int:
        """Return the failures that are remembered: those after which the wait grows no more."""
        return self.free + math.ceil(math.log2(self.longest / self.first))


# One name from one network, or from one browser that signed in before: more than anybody mistypes.
OWN = Limit(free=10, first=5, longest=15 * 60, forget=60 * 60)

# One name from anywhere, which bounds a botnet. The wait stays short, as it may be the owner's.
# Networks with more than NEWCOMER failures of their own have one such counter and all others have
# another one: a few guessers can't take every turn from the owner at a new place.
EVERYBODY = Limit(free=50, first=5, longest=60, forget=3 * 60)
NEWCOMER = 2

# A counter to which nothing was added for so long has come to nothing, whichever it is.
FORGOTTEN = timedelta(seconds=max(limit.most * limit.forget for limit in (OWN, EVERYBODY)))
