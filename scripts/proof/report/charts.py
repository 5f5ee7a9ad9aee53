"""Charts as SVG text, to stand inside the report."""

import io
from collections.abc import Mapping, Sequence

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

matplotlib.rcParams["svg.hashsalt"] = "sessions"  # else every drawing has other ids

# Told apart by lightness too (Okabe and Ito's palette).
COLOURS = ("#0072b2", "#56b4e9", "#e69f00", "#d55e00", "#009e73")
# Of answers: the first is the good one.
KINDS = ("#009e73", "#56b4e9", "#d55e00", "#cc79a7", "#e69f00", "#0072b2", "#000000")


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


def answers_over_time(
    title: str,
    step: float,
    panels: Mapping[str, Mapping[str, Sequence[int]]],
    marks: Mapping[str, tuple[float, float]],
) -> str:
    """Draw the answers of each kind in each moment, one panel below the other.

    Args:
        title: of the whole drawing.
        step: the seconds that one number stands for.
        panels: for each panel the numbers of each kind of answer.
        marks: for each panel the seconds at which the fault began and ended.
    """
    size = (8, 0.6 + 1.9 * len(panels))
    figure, all_axes = pyplot.subplots(
        len(panels), figsize=size, layout="constrained", sharex=True, squeeze=False
    )
    colours: dict[str, str] = {}
    for axes, (name, kinds) in zip(all_axes[:, 0], panels.items(), strict=True):
        length = max(map(len, kinds.values()))
        below = [0.0] * length
        for kind, numbers in kinds.items():
            colour = colours.setdefault(kind, KINDS[len(colours) % len(KINDS)])
            heights = [number / step for number in numbers]
            places = [step * place for place in range(length)]
            axes.bar(places, heights, step, below, align="edge", color=colour, label=kind)
            below = [low + height for low, height in zip(below, heights, strict=True)]
        axes.axvspan(*marks[name], color="black", alpha=0.08, linewidth=0, zorder=0)
        axes.set_title(name, loc="left", fontsize=9)
        axes.set_ylabel("answers a second", fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    axes.set_xlabel("seconds")
    return svg(figure)


def finished(
    figure: "pyplot.Figure", axes: "pyplot.Axes", title: str, unit: str, *, legend: bool
) -> str:
    """Return the drawing with its title and the axis's unit."""
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel(unit)
    axes.spines[["top", "right"]].set_visible(False)
    if legend:
        axes.legend(fontsize=8, frameon=False)
    return svg(figure)


def svg(figure: "pyplot.Figure") -> str:
    """Return the drawing without what is outside its <svg>."""
    target = io.StringIO()
    # Without a date, the same numbers make the same file.
    figure.savefig(target, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    return target.getvalue()[target.getvalue().index("<svg") :]
