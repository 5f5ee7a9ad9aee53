"""Alternating rounds: every variant in turn, forward, then backward, and ratios within a round."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from proof.load import Sample, sample
from proof.variants import Site

VIEWS = ("ping", "read", "write")
NOISE = 0.15  # of all processors, by others
# Samples that are taken again in a round: a machine that is never quiet is said to be so.
REPEATS = 3


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


def quiet_sample(site: Site, view: str, seconds: float, repeats: int) -> list[Sample]:
    """Take a sample, and again where others had the machine; return all, the quietest first."""
    taken = [sample(site, view, seconds)]
    while taken[-1].foreign > NOISE and len(taken) <= repeats:
        taken.append(sample(site, view, seconds))
    return sorted(taken, key=lambda one: one.foreign)


def measure(
    sites: dict[str, Site], rounds: int, seconds: float, views: Iterable[str] = VIEWS
) -> Table:
    """Measure every variant and view, that many rounds."""
    views = tuple(views)
    table: Table = {(name, view): Series() for name in sites for view in views}
    for view in views:  # connections, caches and bytecode are there before anything counts
        for site in sites.values():
            sample(site, view, 1)
    for number in range(rounds):
        repeats = REPEATS
        order = list(sites) if number % 2 == 0 else list(reversed(sites))
        for view in views:
            for name in order:
                taken = quiet_sample(sites[name], view, seconds, min(1, repeats))
                table[name, view].samples.append(taken[0])
                table[name, view].repeated += len(taken) - 1
                repeats -= len(taken) - 1
        print(f"    round {number + 1} of {rounds}", file=sys.stderr)
    return table
