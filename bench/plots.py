"""The charts of a language, as SVG that is the same for the same numbers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from languages import OURS
from matplotlib import pyplot
from results import Results
from work import Work, basics, bytes_in_words

# Those of peers; ours is red, limits are grey.
COLORS = ("#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#ff7f0e", "#17becf")
MEASURES = (("wall", "mean"), ("p50", "median"), ("p99", "99th percentile"))


def write(results: Results, folder: Path) -> None:
    """Writes the charts of a language."""
    matplotlib.rcParams.update({"svg.hashsalt": "cmemcache", "svg.fonttype": "none", "font.size": 9})
    name = results.language.name
    plot_basics(results, folder / f"{name}-basics.svg")
    threads = [
        (f"get, memcached -t {count}", results.series("get", "threads", server_threads=count)) for count in (1, 4)
    ]
    throughput = ("throughput", "thousand gets per second", 1000.0)
    tails = [("p50", "median, us", 1.0), ("p99", "99th percentile, us", 1.0)]
    grid(results, threads, [throughput, *tails], lambda work: work.threads, "threads", folder / f"{name}-threads.svg")
    batches = [(operation, results.series(operation, "batch")) for operation in ("get_multi", "set_multi")]
    columns = [(measure, f"{title}, us per key", None) for measure, title in MEASURES]
    grid(results, batches, columns, lambda work: work.batch, "keys per batch", folder / f"{name}-batches.svg")
    sizes = [(operation, results.series(operation, "size")) for operation in ("get", "set")]
    columns = [(measure, f"{title}, us per call", 1.0) for measure, title in MEASURES]
    grid(results, sizes, columns, lambda work: work.size, "bytes per value", folder / f"{name}-sizes.svg")
    if servers := results.by_servers():
        columns = [(measure, f"{title}, us per server", None) for measure, title in MEASURES]
        rows = [("get_multi, 100 keys a server", servers)]
        grid(results, rows, columns, lambda work: work.servers, "servers", folder / f"{name}-servers.svg")


def look(results: Results, client: str) -> dict[str, Any]:
    """How a client is drawn."""
    language = results.language
    if client in language.limits:
        return {"color": "#7f7f7f", "linestyle": "--" if client == "wire" else ":", "linewidth": 1.2}
    if client == OURS:
        return {"color": "#d62728", "linestyle": "-", "linewidth": 2.2}
    others = [other for other in language.clients if other not in (OURS, *language.limits)]
    return {"color": COLORS[others.index(client)], "linestyle": "-", "linewidth": 1.2}


def grid(
    results: Results,
    rows: Sequence[tuple[str, list[Work]]],
    columns: Sequence[tuple[str, str, float | None]],
    place: Callable[[Work], int],
    label: str,
    path: Path,
) -> None:
    """A row per operation, a column per measure, a line per client with its quartiles; both axes are logarithmic.

    A column is a measure, its label and what it is divided by; None: by what grows.
    """
    rows = [(title, works) for title, works in rows if len(works) > 1]
    if not rows:
        return
    figure, panels = pyplot.subplots(len(rows), 3, figsize=(11, 3.1 * len(rows)), squeeze=False)
    for (title, works), line in zip(rows, panels):
        for (measure, unit, divisor), panel in zip(columns, line):
            for client in results.clients:
                draw(panel, results, client, works, measure, place, divisor)
            panel.set_xscale("log")
            panel.set_yscale("log")
            ticks = sorted({place(work) for work in works})
            panel.set_xticks(ticks, [short(tick, label) for tick in ticks])
            panel.minorticks_off()
            low, high = panel.get_ylim()
            marks = [
                m * 10**e
                for e in range(-6, 8)
                for m in ((1, 2, 5) if high / low < 300 else (1,))
                if low <= m * 10**e <= high
            ]
            panel.set_yticks(marks, [f"{mark:,.0f}" if mark >= 1 else f"{mark:g}" for mark in marks])
            panel.grid(True, alpha=0.25)
            panel.set_xlabel(label)
            panel.set_ylabel(unit)
            panel.set_title(title)
    handles, names = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="upper center", ncol=len(names), fontsize=8, bbox_to_anchor=(0.5, 0.0))
    save(figure, path)


def draw(
    panel: Any,
    results: Results,
    client: str,
    works: Sequence[Work],
    measure: str,
    place: Callable[[Work], int],
    divisor: float | None,
) -> None:
    """A client's line."""
    known = [work for work in works if results.values(work, client, measure)]
    if not known:
        return
    units = [divisor or place(work) for work in known]
    xs = [place(work) for work in known]
    middles = [(results.median(work, client, measure) or 0) / unit for work, unit in zip(known, units)]
    spreads = [results.spread(work, client, measure) for work in known]
    style = look(results, client)
    panel.plot(xs, middles, marker=".", label=client, **style)
    lows = [low / unit for (low, _), unit in zip(spreads, units)]
    highs = [high / unit for (_, high), unit in zip(spreads, units)]
    panel.fill_between(xs, lows, highs, color=style["color"], alpha=0.12, linewidth=0)


def short(value: int, label: str) -> str:
    """A tick's name."""
    if label == "bytes per value":
        return bytes_in_words(value).replace(" ", "")
    return f"{value // 1000}k" if value >= 1000 else str(value)


def plot_basics(results: Results, path: Path) -> None:
    """A panel per call, a bar per client: wall time, with the client's processor time inside it."""
    works = [work for work in basics(1) if work in results.works()]
    figure, panels = pyplot.subplots(2, 3, figsize=(11, 5.5))
    for panel in panels.flat[len(works) :]:
        panel.axis("off")
    for panel, work in zip(panels.flat, works):
        clients = [client for client in results.clients if results.median(work, client, "wall") is not None]
        middles = [results.median(work, client, "wall") or 0 for client in clients]
        spreads = [results.spread(work, client, "wall") for client in clients]
        errors = [
            [middle - low for middle, (low, _) in zip(middles, spreads)],
            [high - middle for middle, (_, high) in zip(middles, spreads)],
        ]
        colors = [look(results, client)["color"] for client in clients]
        panel.barh(clients, middles, color=colors, alpha=0.45, xerr=errors, ecolor="#444444")
        panel.barh(clients, [results.median(work, client, "cpu") or 0 for client in clients], color=colors, height=0.35)
        panel.set_title(work.name)
        panel.set_xlabel("us per call")
        # One slow client must not hide how the others differ: its bar is cut and says its number.
        right = min(max(middles) * 1.15, statistics.median(middles) * 3)
        panel.set_xlim(0, right)
        for row, middle in enumerate(middles):
            if middle > right:
                panel.text(right * 0.98, row, f"{middle:.0f}", ha="right", va="center", fontsize=8)
        panel.invert_yaxis()
    figure.suptitle("One call at a time, memcached -t 1. Pale: elapsed; dark: the client's processor time")
    save(figure, path)


def save(figure: Any, path: Path) -> None:
    """Writes an SVG without a date."""
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)
