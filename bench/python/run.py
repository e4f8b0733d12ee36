"""Measures the Python clients side by side in one run: `make bench-python`.

Every round starts a new process per client and goes through all work in random order; for each work the clients take turns in
random order, a fraction of a second each, so that what else the machine does falls on all of them alike. What is shown is the
median over the rounds, with the quartiles as its spread.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import report
from clients import HOST, SUBJECTS
from work import Work, everything, seed

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Measures, then writes the results, the tables and the plots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer rounds; results go to target/benchmarks instead of docs"
    )
    options = parser.parse_args()
    rounds, seconds = (3, 0.04) if options.quick else (9, 0.25)
    folder = ROOT / ("target" if options.quick else "docs") / "benchmarks"

    versions = {name: subject.version() for name, subject in SUBJECTS.items()}
    for name in [name for name, version in versions.items() if version is None]:
        print(f"{name} is not installed for this Python and is left out", flush=True)
    names = [name for name, version in versions.items() if version is not None]
    began = time.monotonic()
    samples: dict[tuple[Work, str], list[dict[str, Any]]] = {}
    with memcached(1) as one, memcached(4) as four:
        for number in range(rounds):
            for work, name, sample in one_round(names, {1: one, 4: four}, seconds, f"round {number + 1} of {rounds}"):
                samples.setdefault((work, name), []).append(sample)
    results = {
        "machine": machine(),
        "command": "make bench-python" + (" QUICK=1" if options.quick else ""),
        "rounds": rounds,
        "seconds_per_sample": seconds,
        "clients": {name: versions[name] for name in names},
        "results": [
            {"client": name, **work.to_json(), **columns(taken)}
            for (work, name), taken in sorted(samples.items(), key=lambda entry: (entry[0][0].name, entry[0][1]))
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    report.save(results, folder / "python.json")
    report.write(results, folder)
    print((folder / "python.md").read_text())
    print(f"{time.monotonic() - began:.0f} s; results in {folder.relative_to(ROOT)}/python.*")


def one_round(
    names: list[str], ports: dict[int, int], seconds: float, title: str
) -> Iterator[tuple[Work, str, dict[str, Any]]]:
    """All work by all clients once."""
    todo = everything()
    random.shuffle(todo)
    with contextlib.ExitStack() as stack:
        workers = {name: stack.enter_context(worker(name, tag)) for name, tag in zip(names, "abcdefghijklmn")}
        for done, work in enumerate(todo, 1):
            show(f"{title}: {done} of {len(todo)}, {work.name}", is_last=done == len(todo))
            for name in random.sample(names, len(names)):
                if name == report.LIMIT and work in seed():
                    continue  # Its values are not looked at, so it has nothing to check.
                order = {"work": work.to_json(), "port": ports[work.server_threads], "seconds": seconds}
                yield work, name, ask(workers[name], order)


def columns(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """What each round measured, as a list per measure; or the first failure."""
    faults = [sample["error"] for sample in samples if "error" in sample]
    if faults:
        return {"error": faults[0]}
    return {measure: [float(f"{sample[measure]:.4g}") for sample in samples] for measure in samples[0]}


def show(line: str, is_last: bool) -> None:
    """Progress: one changing line on a terminal, one line per round elsewhere."""
    if sys.stdout.isatty():
        print(f"\r\033[K{line}", end="\n" if is_last else "", flush=True)
    elif is_last:
        print(line, flush=True)


@contextlib.contextmanager
def worker(name: str, tag: str) -> Iterator[subprocess.Popen[str]]:
    """A process that works with one client and with keys that begin with `tag`."""
    program = [sys.executable, str(Path(__file__).with_name("worker.py")), name, tag]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def ask(process: subprocess.Popen[str], order: dict[str, Any]) -> dict[str, Any]:
    """Has a worker do one piece of work."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


@contextlib.contextmanager
def memcached(threads: int) -> Iterator[int]:
    """A memcached of our own on a free port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = int(probe.getsockname()[1])
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    arguments = ["-l", HOST, "-p", str(port), "-U", "0", "-t", str(threads), "-m", "1024", "-I", "4m"]
    with subprocess.Popen(["memcached", *arguments, *user]) as process:
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection((HOST, port)):
                    break
                time.sleep(0.02)
            yield port
        finally:
            process.terminate()


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
