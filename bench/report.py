"""Pages and plots from the results of run.py. `report.py FOLDER` writes them anew from FOLDER/*.json."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import goals
import plots
from languages import LANGUAGES, OURS
from results import Results
from work import SEED_SHAPES, Work, basics, beside_large, crowds, waiting


def write(folder: Path) -> None:
    """Writes a page with plots for each language that was measured, and the page above them."""
    found: dict[str, Results] = {}
    for language in LANGUAGES.values():
        path = folder / f"{language.name}.json"
        if path.exists():
            found[language.name] = Results(language, json.loads(path.read_text()))
    for name, results in found.items():
        plots.write(results, folder)
        (folder / f"{name}.md").write_text("\n".join(page(results)) + "\n")
    (folder / "README.md").write_text("\n".join(goals.page(found)) + "\n")


def page(results: Results) -> list[str]:
    """The text of a language's page."""
    language = results.language
    lines = [f"# {language.title} clients side by side", "", *introduction(results)]
    lines += ["", f"![One call at a time]({language.name}-basics.svg)"]
    for threads in (1, 4):
        works = [work for work in basics(threads) if work in results.works()]
        if works:
            lines += ["", f"## One call at a time, memcached -t {threads}", *tables(results, works)]
    lines += ["", "## Threads of one process", "", f"![Threads]({language.name}-threads.svg)"]
    for threads in (1, 4):
        works = results.series("get", "threads", server_threads=threads)
        lines += ["", f"memcached -t {threads}, thousands of gets per second."]
        lines += ["", *table(results, works, "throughput", unit=1000)]
        lines += ["", "Latency: 99th percentile, microseconds.", "", *table(results, works, "p99")]
    if works := [work for work in crowds() if work in results.works()]:
        lines += [
            "",
            "memcached -t 1, thousands of calls per second.",
            "",
            *table(results, works, "throughput", unit=1000),
        ]
    seed = [work for work in results.works() if work.operation in SEED_SHAPES]
    if seed:
        lines += ["", "## The seed's shapes (cachecmp)", ""]
        lines += [
            "10 000 pairs, keys of 32 bytes, values of 3600 bytes, microseconds per call: get all in order and check"
        ]
        lines += ["the value, get all, the same with a quarter of writes, in random order, two keys at a time."]
        lines += ["", *table(results, seed, "wall")]
    lines += ["", "## How it grows", "", *(f"- {line}" for line in goals.growth(results)), ""]
    lines += [f"![Keys per batch]({language.name}-batches.svg)"]
    lines += tables(results, [work for name in ("get_multi", "set_multi") for work in results.series(name, "batch")])
    lines += ["", f"![Size of the value]({language.name}-sizes.svg)"]
    lines += tables(results, [work for name in ("get", "set") for work in results.series(name, "size")])
    if works := results.by_servers():
        lines += ["", f"![Servers]({language.name}-servers.svg)", "", "100 keys for each server."]
        lines += tables(results, works)
    if language.name == "native":
        lines += special(results)
    if faults := results.faults():
        lines += ["", "## Not measured", "", *(f"- {fault}" for fault in faults)]
    return lines


def introduction(results: Results) -> list[str]:
    """How it was measured, and on what."""
    machine, raw, language = results.machine, results.raw, results.language
    versions = ", ".join(f"{name} {version}" for name, version in raw["clients"].items() if version)
    lines = [
        f"Written by `{raw['command']}` on {machine['date']}: {raw['rounds']} rounds of {raw['seconds_per_sample']} s per "
        "client and work, in random order. Medians; quartiles in brackets.",
        "",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}. Load "
        f"average {machine['load_before']} before the run, {machine['load']} at its end. memcached {machine['memcached']}; "
        "everything over loopback.",
        f"- Peers: {versions or 'none'}.",
        *(f"- {note}" for note in language.notes),
        "- `wire` is the limit: a bare loop of send and receive on one socket per thread, requests made beforehand, replies "
        "of known length not looked at.",
        "- Keys of 6 bytes and values of 100 bytes where nothing else is said. Compare only within a table.",
    ]
    return lines + ([f"- {busy}"] if (busy := results.busy()) else [])


def tables(results: Results, works: Sequence[Work]) -> list[str]:
    """Elapsed time, processor time, and how the calls spread."""
    lines = ["", "Microseconds per call.", "", *table(results, works, "wall")]
    lines += ["", "The client's own processor time, microseconds per call.", "", *table(results, works, "cpu")]
    lines += ["", "50th percentile, microseconds.", "", *table(results, works, "p50")]
    lines += ["", "99th percentile, microseconds.", "", *table(results, works, "p99")]
    if any(results.values(work, OURS, "allocated") for work in works):
        lines += ["", "Allocated on the heap by all threads, bytes per call.", "", *table(results, works, "allocated")]
    return lines


def special(results: Results) -> list[str]:
    """What is measured of the native clients only."""
    lines = [
        "",
        "## Spin against sleep",
        "",
        "Microseconds per call and thread: ours with its defaults and with `spin = off`.",
    ]
    works = [work for work in waiting() if work in results.works()]
    lines += ["", *table(results, works, "wall", clients=[OURS, "cmemcache-blocking"])]
    lines += ["", "The client's own processor time, microseconds per call."]
    lines += ["", *table(results, works, "cpu", clients=[OURS, "cmemcache-blocking"])]
    lines += ["", "## Small values beside a large one", ""]
    lines += [
        "Gets of 100 bytes from 4 threads, memcached -t 4: alone, and while a fifth thread gets 1 MiB over and over, ours"
    ]
    lines += ["through the same client, the peers through a connection of its own. 99th percentile, microseconds."]
    lines += ["", *table(results, [work for work in beside_large() if work in results.works()], "p99")]
    picks = results.raw["extras"].get("picks")
    if picks:
        lines += ["", "## Choosing a server", "", "Nanoseconds per pick among so many servers."]
        lines += ["", "| scheme | key bytes | 1 | 10 | 100 | 1000 |", "|---|---:|---:|---:|---:|---:|"]
        lines += [f"| {row['scheme']} | {row['key_bytes']} | {' | '.join(map(str, row['ns']))} |" for row in picks]
    idle = results.raw["extras"].get("idle", {})
    if "bytes" in idle:
        lines += ["", "## Memory", ""]
        lines += [
            f"A client of {idle['servers']} servers, each asked and now idle, takes {idle['bytes'] / 1e6:.1f} MB."
        ]
    return lines


def table(
    results: Results, works: Sequence[Work], measure: str, unit: float = 1, clients: Sequence[str] = ()
) -> list[str]:
    """A Markdown table: a row per work, a column per client, and how ours compares with the best of the peers."""
    clients = clients or [
        client for client in results.clients if any(results.values(work, client, measure) for work in works)
    ]
    has_peers = any(client in results.language.peers for client in clients)
    head = ["", *clients, *(["ours / best peer"] if has_peers else [])]
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    for work in works:
        cells = [work.name]
        for client in clients:
            middle = results.median(work, client, measure)
            if middle is None:
                cells.append("-")
                continue
            low, high = (number(value / unit) for value in results.spread(work, client, measure))
            cells.append(f"{number(middle / unit)} ({low}-{high})")
        if has_peers:
            ratio = results.against_best(work, measure)
            cells.append(f"{ratio.middle:.2f}" if ratio else "-")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:.{1 if value < 100 else 0}f}"


def save(raw: dict[str, Any], path: Path) -> None:
    """Writes the results, a line for each client and work."""
    rows = ",\n".join(json.dumps(row) for row in raw["results"])
    head = json.dumps({key: value for key, value in raw.items() if key != "results"}, indent=1)
    path.write_text(f'{head[:-2]},\n "results": [\n{rows}\n]\n}}\n')


if __name__ == "__main__":
    write(Path(sys.argv[1]))
