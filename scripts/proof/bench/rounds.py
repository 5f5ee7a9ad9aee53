"""Alternating rounds: every variant in turn, forward, then backward, and ratios within a round."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from proof.bench.load import Sample, sample
from proof.bench.variants import VariantStack

VIEWS = ("ping", "read", "write")
NOISE = 0.15  # of all processors, by others
# How often a view is measured again in one round: a machine that is never quiet is said to be so.
REPEATS = 1


@dataclass(slots=True)
class Series:
    """The samples of one variant and view, one a round."""

    samples: list[Sample] = field(default_factory=list)
    repeated: int = 0

    @property
    def noisy(self) -> int:
        """Return how many rounds stayed noisy after the last try."""
        return sum(one.foreign > NOISE for one in self.samples)

    def median(self, name: str) -> float:
        """Return the median of an attribute."""
        return float(median(getattr(one, name) for one in self.samples))

    def cpu(self, service: str) -> float:
        """Return the median CPU of a service, in microseconds a request."""
        return median(one.cpu.get(service, 0.0) for one in self.samples)


Table = dict[tuple[str, str], Series]  # by variant and view


def ratio(table: Table, view: str, of: str, to: str, name: str = "cpu_total") -> float:
    """Return the median of the ratios of two variants, each within one round."""
    pairs = zip(table[of, view].samples, table[to, view].samples, strict=True)
    return float(median(getattr(one, name) / getattr(other, name) for one, other in pairs))


def quiet_samples(
    sites: dict[str, VariantStack], order: list[str], view: str, seconds: float
) -> tuple[dict[str, Sample], int]:
    """Measure a view of every variant; all of them again where others had the machine.

    Returns:
        The quietest set of samples, and how many more sets were taken.
    """
    sets: list[dict[str, Sample]] = []
    while len(sets) <= REPEATS:
        sets.append({name: sample(sites[name], view, seconds) for name in order})
        if loudest(sets[-1]) <= NOISE:
            break
    return min(sets, key=loudest), len(sets) - 1


def loudest(samples: dict[str, Sample]) -> float:
    """Return the greatest share that others had in one of them."""
    return max(one.foreign for one in samples.values())


def measure(
    sites: dict[str, VariantStack], rounds: int, seconds: float, views: Iterable[str] = VIEWS
) -> Table:
    """Measure every variant and view, that many rounds."""
    views = tuple(views)
    table: Table = {(name, view): Series() for name in sites for view in views}
    for view in views:  # connections, caches and bytecode are there before anything counts
        for site in sites.values():
            sample(site, view, 1)
    for number in range(rounds):
        order = list(sites) if number % 2 == 0 else list(reversed(sites))
        for view in views:
            samples, repeated = quiet_samples(sites, order, view, seconds)
            for name in order:
                table[name, view].samples.append(samples[name])
                table[name, view].repeated += repeated
        print(f"    round {number + 1} of {rounds}", file=sys.stderr)
    return table
