"""Tables and plots from the results of run.py. `report.py FOLDER` writes them anew from FOLDER/python.json."""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot
from work import Work, basics, by_batch, by_size, bytes_in_words, seed, under_threads

COLORS = {
    "cmemcache": "#d62728",
    "python-memcached": "#1f77b4",
    "pymemcache": "#2ca02c",
    "pylibmc": "#9467bd",
    "libmc": "#8c564b",
    "meta-memcache": "#ff7f0e",
    "wire": "#7f7f7f",
}
OURS, LIMIT = "cmemcache", "wire"
BUSY = (
    "- **The machine was busy with other work during this run.** The spreads show it; a quiet one gives other numbers."
)


class Results:
    """The samples, by work and client."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.machine: dict[str, Any] = raw["machine"]
        self.raw = raw
        self.clients: list[str] = list(raw["clients"])
        fields = [field.name for field in dataclasses.fields(Work)]
        self._samples = {
            (Work(**{name: each[name] for name in fields}), each["client"]): each for each in raw["results"]
        }

    def values(self, work: Work, client: str, measure: str) -> list[float]:
        """What each round measured; empty when the client failed or was not asked."""
        values: list[float] = self._samples.get((work, client), {}).get(measure, [])
        return values

    def faults(self) -> list[str]:
        """Which client failed at what, in its own words."""
        failed = [(client, work, each["error"]) for (work, client), each in self._samples.items() if "error" in each]
        return sorted(f"{client}, {work.name}: {error}" for client, work, error in failed)

    def median(self, work: Work, client: str, measure: str) -> float | None:
        """The median over the rounds."""
        values = self.values(work, client, measure)
        return statistics.median(values) if values else None

    def spread(self, work: Work, client: str, measure: str) -> tuple[float, float]:
        """The quartiles over the rounds."""
        values = self.values(work, client, measure)
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return low, high


def write(raw: dict[str, Any], folder: Path) -> None:
    """Writes python.md and the plots."""
    results = Results(raw)
    matplotlib.rcParams.update({"svg.hashsalt": "cmemcache", "svg.fonttype": "none", "font.size": 9})
    plot_basics(results, folder / "python-basics.svg")
    plot_threads(results, folder / "python-threads.svg")
    plot_batches(results, folder / "python-batches.svg")
    plot_sizes(results, folder / "python-sizes.svg")
    (folder / "python.md").write_text("\n".join(page(results)) + "\n")


def page(results: Results) -> list[str]:
    """The text of python.md."""
    machine = results.machine
    versions = ", ".join(
        f"{name} {version}".strip() for name, version in results.raw["clients"].items() if name != LIMIT
    )
    lines = [
        "# Python clients side by side",
        "",
        f"Written by `{results.raw['command']}` on {machine['date']}: {results.raw['rounds']} rounds of "
        f"{results.raw['seconds_per_sample']} s per client and work, in random order. Medians; quartiles in brackets.",
        "",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, load "
        f"average {machine['load']} at the end of the run. Everything over loopback.",
        f"- {machine['python']}, memcached {machine['memcached']}.",
        f"- Clients: {versions}. How each is set up stands in `bench/python/clients.py`: no delay, every reply awaited, no "
        "compression, raw bytes. Ours runs with its defaults.",
        f"- `{LIMIT}` is the limit: one socket in Python, requests made beforehand, replies received and not looked at.",
        *([BUSY] if machine["load"] > 2 * machine["cores"] else []),
        "- Keys of 6 bytes and values of 100 bytes where nothing else is said. Compare only within a table.",
        "",
        "![One call at a time](python-basics.svg)",
    ]
    for threads in (1, 4):
        works = basics(threads)
        lines += ["", f"## One call at a time, memcached -t {threads}", "", "Microseconds per call."]
        lines += ["", *table(results, works, "wall", ratio=True)]
        lines += [
            "",
            "The client's own processor time, microseconds per call.",
            "",
            *table(results, works, "cpu", ratio=True),
        ]
        lines += ["", "99th percentile, microseconds.", "", *table(results, works, "p99", ratio=False)]
    lines += ["", "## Threads of one process", "", "![Threads](python-threads.svg)", ""]
    lines += [
        "Thousands of gets per second. cmemcache, python-memcached and meta-memcache: one client for all threads."
    ]
    lines += ["pymemcache, pylibmc and libmc: a client per thread, as their documentation asks."]
    for threads in (1, 4):
        lines += ["", f"memcached -t {threads}:", ""]
        lines += table(results, under_threads(threads), "throughput", ratio=True, unit=1000, digits=1)
    lines += ["", "## The seed's shapes (cachecmp)", ""]
    lines += [
        "10 000 pairs, keys of 32 bytes, values of 3600 bytes, microseconds per call: get all in order and check the"
    ]
    lines += ["value, get all, the same with a quarter of writes, in random order, two keys at a time."]
    lines += ["", *table(results, seed(), "wall", ratio=True)]
    lines += ["", "## How it grows", "", "![Keys per batch](python-batches.svg)", "", "Microseconds per batch."]
    lines += ["", *table(results, by_batch(), "wall", ratio=True)]
    lines += ["", "![Size of the value](python-sizes.svg)", "", "Microseconds per call."]
    lines += ["", *table(results, by_size(), "wall", ratio=True)]
    faults = results.faults()
    if faults:
        lines += ["", "## Not measured", "", *(f"- {fault}" for fault in faults)]
    return lines


def table(
    results: Results, works: Sequence[Work], measure: str, ratio: bool, unit: float = 1, digits: int | None = None
) -> list[str]:
    """A Markdown table: a row per work, a column per client, and how ours compares with the best of the peers."""
    head = ["", *results.clients, *(["ours / best peer"] if ratio else [])]
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    for work in works:
        cells = [work.name]
        for client in results.clients:
            middle = results.median(work, client, measure)
            if middle is None:
                cells.append("-")
                continue
            low, high = (number(value / unit, digits) for value in results.spread(work, client, measure))
            cells.append(f"{number(middle / unit, digits)} ({low}-{high})")
        if ratio:
            cells.append(compare(results, work, measure))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def compare(results: Results, work: Work, measure: str) -> str:
    """Ours over the best peer's; the limit is no peer."""
    ours = results.median(work, OURS, measure)
    peers = [results.median(work, client, measure) for client in results.clients if client not in (OURS, LIMIT)]
    known = [value for value in peers if value is not None]
    if ours is None or not known:
        return "-"
    best = max(known) if measure == "throughput" else min(known)
    return f"{ours / best:.2f}"


def number(value: float, digits: int | None) -> str:
    """Three digits that count."""
    if digits is None:
        digits = 1 if value < 100 else 0
    return f"{value:.{digits}f}"


def save(raw: dict[str, Any], path: Path) -> None:
    """Writes the results, a line for each client and work."""
    rows = ",\n".join(json.dumps(row) for row in raw["results"])
    head = json.dumps({key: value for key, value in raw.items() if key != "results"}, indent=1)
    path.write_text(f'{head[:-2]},\n "results": [\n{rows}\n]\n}}\n')


def save_plot(figure: Any, path: Path) -> None:
    """Writes an SVG that is the same for the same numbers."""
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)


def plot_basics(results: Results, path: Path) -> None:
    """A panel per call, a bar per client: wall time, with the client's processor time inside it."""
    figure, panels = pyplot.subplots(2, 3, figsize=(10, 5.5))
    for panel, work in zip(panels.flat, basics(1)):
        clients = [client for client in results.clients if results.median(work, client, "wall") is not None]
        middles = [results.median(work, client, "wall") or 0 for client in clients]
        spreads = [results.spread(work, client, "wall") for client in clients]
        errors = [
            [middle - low for middle, (low, _) in zip(middles, spreads)],
            [high - middle for middle, (_, high) in zip(middles, spreads)],
        ]
        colors = [COLORS[client] for client in clients]
        panel.barh(clients, middles, color=colors, alpha=0.45, xerr=errors, ecolor="#444444")
        panel.barh(clients, [results.median(work, client, "cpu") or 0 for client in clients], color=colors, height=0.35)
        panel.set_title(work.name)
        panel.set_xlabel("us per call")
        # One slow client must not hide how the others differ.
        panel.set_xlim(0, min(max(middles) * 1.1, statistics.median(middles) * 3))
        panel.invert_yaxis()
    figure.suptitle("One call at a time, memcached -t 1. Pale: elapsed; dark: the client's processor time")
    save_plot(figure, path)


def lines_of(
    panel: Any, results: Results, works: Sequence[Work], xs: Sequence[float], measure: str, per: Sequence[float]
) -> None:
    """A line per client, with its quartiles."""
    for client in results.clients:
        points = [
            (x, work, divisor) for x, work, divisor in zip(xs, works, per) if results.values(work, client, measure)
        ]
        if not points:
            continue
        middles = [(results.median(work, client, measure) or 0) / divisor for _, work, divisor in points]
        spreads = [results.spread(work, client, measure) for _, work, _ in points]
        width = 2.2 if client == OURS else 1.2
        style = "--" if client == LIMIT else "-"
        places = [x for x, _, _ in points]
        panel.plot(places, middles, style, marker=".", color=COLORS[client], label=client, linewidth=width)
        lows = [low / divisor for (low, _), (_, _, divisor) in zip(spreads, points)]
        highs = [high / divisor for (_, high), (_, _, divisor) in zip(spreads, points)]
        panel.fill_between(places, lows, highs, color=COLORS[client], alpha=0.15, linewidth=0)


def plot_threads(results: Results, path: Path) -> None:
    """Throughput by threads, a panel per server."""
    figure, panels = pyplot.subplots(1, 2, figsize=(10, 3.8), sharey=True)
    for panel, server_threads in zip(panels, (1, 4)):
        works = under_threads(server_threads)
        lines_of(panel, results, works, [work.threads for work in works], "throughput", [1000] * len(works))
        panel.set_xscale("log", base=2)
        panel.set_xticks([work.threads for work in works], [str(work.threads) for work in works])
        panel.set_xlabel("threads")
        panel.set_ylabel("thousand gets per second")
        panel.set_ylim(bottom=0)
        panel.set_title(f"memcached -t {server_threads}")
    panels[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.02, 0.5))
    save_plot(figure, path)


def plot_batches(results: Results, path: Path) -> None:
    """Time per key by keys per batch."""
    figure, panels = pyplot.subplots(1, 2, figsize=(10, 3.8))
    for panel, operation in zip(panels, ("get_multi", "set_multi")):
        works = [work for work in by_batch() if work.operation == operation]
        sizes = [work.batch for work in works]
        lines_of(panel, results, works, sizes, "wall", sizes)
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xlabel("keys per batch")
        panel.set_ylabel("us per key")
        panel.set_title(operation)
    panels[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.02, 0.5))
    save_plot(figure, path)


def plot_sizes(results: Results, path: Path) -> None:
    """Time per call by size of the value."""
    figure, panels = pyplot.subplots(1, 2, figsize=(10, 3.8))
    for panel, operation in zip(panels, ("get", "set")):
        works = [work for work in by_size() if work.operation == operation]
        sizes = [work.size for work in works]
        lines_of(panel, results, works, sizes, "wall", [1] * len(works))
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xticks(sizes, [bytes_in_words(size) for size in sizes], rotation=30)
        panel.set_xlabel("size of the value")
        panel.set_ylabel("us per call")
        panel.set_title(operation)
    panels[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.02, 0.5))
    save_plot(figure, path)


if __name__ == "__main__":
    results_folder = Path(sys.argv[1])
    write(json.loads((results_folder / "python.json").read_text()), results_folder)
