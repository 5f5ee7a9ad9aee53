"""Charts as SVG text, to stand inside the report."""

import io
from collections.abc import Mapping, Sequence

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

# Told apart by lightness too (Okabe and Ito's palette).
COLOURS = ("#0072b2", "#56b4e9", "#e69f00", "#d55e00", "#009e73")


def stacked_bars(
    title: str, unit: str, bars: Mapping[str, Mapping[str, float]], parts: Sequence[str]
) -> str:
    """Draw one horizontal bar for each name, made of its parts."""
    figure, axes = pyplot.subplots(figsize=(8, 0.9 + 0.38 * len(bars)), layout="constrained")
    names, left = list(bars), [0.0] * len(bars)
    for part, colour in zip(parts, COLOURS, strict=False):
        widths = [bars[name].get(part, 0.0) for name in names]
        axes.barh(names, widths, left=left, label=part, color=colour)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for name, total in zip(names, left, strict=True):
        axes.text(total, name, f" {total:,.0f}", va="center", fontsize=8)
    axes.set_xlim(0, max(left) * 1.12)
    axes.invert_yaxis()  # the first one on top
    return finished(figure, axes, title, unit, legend=len(parts) > 1)


def bars(title: str, unit: str, values: Mapping[str, float]) -> str:
    """Draw one horizontal bar for each name."""
    return stacked_bars(title, unit, {name: {"": value} for name, value in values.items()}, [""])


def lines(title: str, unit: str, x_unit: str, series: Mapping[str, Mapping[int, float]]) -> str:
    """Draw a line for each name over a logarithmic axis."""
    figure, axes = pyplot.subplots(figsize=(8, 3), layout="constrained")
    for (name, points), colour in zip(series.items(), COLOURS, strict=False):
        axes.plot(list(points), list(points.values()), marker="o", label=name, color=colour)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_ylabel(unit)
    return finished(figure, axes, title, x_unit, legend=True)


def finished(
    figure: "pyplot.Figure", axes: "pyplot.Axes", title: str, unit: str, *, legend: bool
) -> str:
    """Return the drawing without what is outside its <svg>."""
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel(unit)
    axes.spines[["top", "right"]].set_visible(False)
    if legend:
        axes.legend(fontsize=8, frameon=False)
    target = io.StringIO()
    # Without a date, the same numbers make the same file.
    figure.savefig(target, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    return target.getvalue()[target.getvalue().index("<svg") :]
