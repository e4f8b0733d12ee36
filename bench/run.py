"""Measures all clients of all languages side by side in one run: `make bench`.

Every round starts a new process per client and goes through all work of a language in random order; for each work the clients
take turns in random order, a fraction of a second each, so that what else the machine does falls on all of them alike. What is
shown is the median over the rounds, with the quartiles as its spread.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import report
from languages import LANGUAGES, OURS, ROOT, Language
from work import AWAY_50_MS, ONE_CORE, Work, everything
from workers import Worker, worker

from servers import ON_ONE_CORE, Servers

# Samples are by work and client: what each round measured.
Samples = dict[tuple[Work, str], list[dict[str, Any]]]


def main() -> None:
    """Measures, then writes the results, the tables and the plots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds; into target/benchmarks instead of docs")
    parser.add_argument("--rounds", type=int, help="how often everything is measured; 9, quick 2")
    parser.add_argument("--only", default=",".join(LANGUAGES), help="languages, separated by commas")
    parser.add_argument("--native", default="target/bench-native/release/bench-native", help="the native worker")
    parser.add_argument("--picks", help="a file with what the core's cost_of_a_pick printed")
    options = parser.parse_args()
    if unknown := set(options.only.split(",")) - set(LANGUAGES):
        parser.error(f"no such language: {', '.join(sorted(unknown))}")
    languages = [with_native(LANGUAGES[name], options.native) for name in options.only.split(",")]
    rounds, seconds = (2, 0.03) if options.quick else (9, 0.25)
    rounds = options.rounds or rounds
    folder = ROOT / ("target" if options.quick else "docs") / "benchmarks"

    began, load = time.monotonic(), os.getloadavg()[0]
    samples: dict[str, Samples] = {language.name: {} for language in languages}
    versions: dict[str, dict[str, str]] = {language.name: {} for language in languages}
    extras: dict[str, dict[str, Any]] = {language.name: {} for language in languages}
    with contextlib.ExitStack() as stack:
        servers = Servers(stack, options.native)
        for number in range(rounds):
            for language in languages:
                title = f"{language.title}, round {number + 1} of {rounds}"
                works = everything(language.name, options.quick)
                for work, client, sample in one_round(
                    language, works, servers, seconds, title, versions[language.name]
                ):
                    samples[language.name].setdefault((work, client), []).append(sample)
                print(f"{title}: done after {time.monotonic() - began:.0f} s", flush=True)
        if "native" in extras:
            extras["native"] = measure_extras(LANGUAGES["native"], options, servers)
    folder.mkdir(parents=True, exist_ok=True)
    for language in languages:
        results = {
            "machine": {**machine(), "load_before": round(load, 1)},
            "command": f"make bench{'' if len(languages) > 1 else '-' + language.name}{' QUICK=1' if options.quick else ''}"
            f"{f' ROUNDS={options.rounds}' if options.rounds else ''}",
            "rounds": rounds,
            "seconds_per_sample": seconds,
            "clients": versions[language.name],
            "extras": extras[language.name],
            "results": rows(samples[language.name]),
        }
        report.save(results, folder / f"{language.name}.json")
    report.write(folder)
    print((folder / "README.md").read_text())
    print(f"{time.monotonic() - began:.0f} s; results in {folder.relative_to(ROOT)}")


def with_native(language: Language, program: str) -> Language:
    """The native worker stands where cargo puts it."""
    return dataclasses.replace(language, program=(program,)) if language.name == "native" else language


def one_round(
    language: Language, works: list[Work], servers: Servers, seconds: float, title: str, versions: dict[str, str]
) -> Iterator[tuple[Work, str, dict[str, Any]]]:
    """All work of a language by all its clients once."""
    todo = random.sample(works, len(works))
    with contextlib.ExitStack() as stack:
        team = Team(language, stack)
        for done, work in enumerate(todo, 1):
            show(f"{title}: {done} of {len(todo)}, {work.name}")
            if work.setting == ONE_CORE and not ON_ONE_CORE:
                continue
            ports = servers.ports(work)
            # A slow server answers a few times in a sample at least.
            time_span = max(seconds, 0.6) if work.setting == AWAY_50_MS else seconds
            order = {"work": work.to_json(), "ports": ports, "seconds": time_span}
            for client in random.sample(language.clients, len(language.clients)):
                if language.does(client, work) and (found := team.member(client, work.setting)):
                    versions[client] = found.version or ""
                    yield work, client, found.ask(order)


class Team:
    """The workers of one round, started when they are first needed."""

    def __init__(self, language: Language, stack: contextlib.ExitStack) -> None:
        self._language = language
        self._stack = stack
        self._members: dict[tuple[str, bool], Worker] = {}

    def member(self, client: str, setting: str) -> Worker | None:
        """The worker of a client; None when the client is not installed here."""
        key = (client, setting == ONE_CORE)
        if key not in self._members:
            tag = "abcdefghijklmnopqrstuvwxyz"[len(self._members)]
            wrapper = ON_ONE_CORE if setting == ONE_CORE else []
            self._members[key] = self._stack.enter_context(worker(self._language, client, tag, wrapper))
            if self._members[key].version is None:
                print(f"{client} does not run here and is left out", flush=True)
        found = self._members[key]
        return found if found.version is not None else None


def measure_extras(language: Language, options: argparse.Namespace, servers: Servers) -> dict[str, Any]:
    """What is measured once: the memory of a client with very many servers, and what a pick costs."""
    extras: dict[str, Any] = {}
    with worker(with_native(language, options.native), OURS, "i") as one:
        order = {"work": Work("idle_servers").to_json(), "ports": servers.idle(), "seconds": 0}
        extras["idle"] = one.ask(order)
    if options.picks:
        # Rows of the core's own table: scheme, key bytes, ns among 1, 10, 100 and 1000 servers.
        lines = Path(options.picks).read_text()
        found = re.findall(r"^(\w+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) +[\d.]+ ms$", lines, re.MULTILINE)
        extras["picks"] = [
            {"scheme": row[0], "key_bytes": int(row[1]), "ns": [int(n) for n in row[2:]]} for row in found
        ]
    return extras


def rows(samples: Samples) -> list[dict[str, Any]]:
    """A row per work and client."""
    ordered = sorted(samples.items(), key=lambda entry: (entry[0][0].name, entry[0][1]))
    return [{"client": client, **work.to_json(), **columns(taken)} for (work, client), taken in ordered]


def columns(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """What each round measured, as a list per measure; or the first failure."""
    faults = [sample["error"] for sample in samples if "error" in sample]
    if faults:
        return {"error": faults[0]}
    return {measure: [float(f"{sample[measure]:.4g}") for sample in samples] for measure in samples[0]}


def show(line: str) -> None:
    """Progress: one changing line, on a terminal only."""
    if sys.stdout.isatty():
        print(f"\r\033[K{line}", end="\r", flush=True)


def machine() -> dict[str, Any]:
    """What it ran on."""
    program = shutil.which("memcached") or "memcached"
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        cpu = found.group(1) if found else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "memcached": version,
        "date": datetime.date.today().isoformat(),
        "load": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    main()
