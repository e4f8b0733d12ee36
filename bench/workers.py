"""Workers: a process per client, of whatever language, that is told what to do and answers with its times.

A worker first prints a line of JSON with its version, then for each line of JSON that it reads one with what it measured:
{"work": ..., "ports": [...], "seconds": ...} -> {"calls", "wall", "cpu", "p50", "p99", "throughput"} or {"error": words}.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
from collections.abc import Iterator
from typing import Any

from languages import ROOT, Language

# Longer than any piece of work takes; a client that takes longer is given up.
PATIENCE = 90.0


class Worker:
    """A process that works with one client and with keys that begin with `tag`."""

    def __init__(self, process: subprocess.Popen[str], name: str) -> None:
        self._process = process
        self._name = name
        hello = self._answer()
        # Absent for a client that is not installed.
        self.version: str | None = hello.get("version")

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """Has it do one piece of work."""
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except OSError:
            return {"error": f"{self._name} has ended"}
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        if not ready:
            self._process.kill()
            return {"error": f"{self._name} did not answer within {PATIENCE:.0f} s"}
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": f"{self._name} has ended"}
        return answer


@contextlib.contextmanager
def worker(language: Language, client: str, tag: str, wrapper: list[str] | None = None) -> Iterator[Worker]:
    """Starts a worker, and ends it."""
    command = [*(wrapper or []), *language.program, client, tag]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield Worker(process, client)
        finally:
            # The end of its input ends it; a wrapper's child would outlive a kill.
            assert process.stdin
            with contextlib.suppress(OSError):
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
