"""The bars of a chart: geometry for an SVG that the template writes, in percent of its width."""

from dataclasses import dataclass

from lab.measure import Result, Timing


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, how far the median reaches, and how far the 95th percentile."""

    label: str
    kind: str  # load or save
    timing: Timing
    y: int  # pixels from the top
    median_percent: float
    p95_percent: float

    @property
    def text_y(self) -> int:
        """Return the base line of the label above the bar."""
        return self.y - 6


ROW = 44  # pixels
FIRST = 26

# The chart is this much wider than its longest median: one slow outlier must not dwarf the bars.
SCALE = 1.6


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart's bars and its height in pixels."""

    bars: list[Bar]
    height: int


def bars(results: list[Result]) -> Bars:
    """Return two bars for each engine, all to one scale."""
    scale = SCALE * max([t.median for r in results for t in (r.load, r.save)] + [1])
    drawn = [
        Bar(
            label=result.backend,
            kind=kind,
            timing=timing,
            y=FIRST + ROW * number,
            median_percent=round(100 * timing.median / scale, 2),
            p95_percent=min(100, round(100 * timing.p95 / scale, 2)),
        )
        for number, (result, kind, timing) in enumerate(
            (result, kind, timing)
            for result in results
            for kind, timing in (("load", result.load), ("save", result.save))
        )
    ]
    return Bars(drawn, FIRST + ROW * len(drawn))
