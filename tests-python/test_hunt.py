"""The hunt for mixed-up replies, in processes beside each other; HUNT_OPERATIONS is how many operations all make together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from servers import Memcached

PROGRAM = Path(__file__).parent / "hunt.py"
OPERATIONS = int(os.environ.get("HUNT_OPERATIONS", "100000"))


def start(server: Memcached, protocol: str, operations: int, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), server.address, protocol, str(operations), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def end(process: subprocess.Popen[str], operations: int) -> str:
    try:
        return process.communicate(timeout=120 + operations / 500)[0]
    finally:
        process.kill()


def test_no_thread_process_signal_or_fork_reads_a_foreign_value(server: Memcached, protocol: str) -> None:
    each = OPERATIONS // 4
    hunts = [start(server, protocol, each) for _ in range(2)]
    for hunt in hunts:
        said = end(hunt, each)
        print(said)
        assert hunt.returncode == 0, said
        assert "wrong: 0" in said
        # Of five forks some may not be counted: an interrupt struck first.
        for event in ("interrupts", "alarms", "forks"):
            assert event in said, f"no {event}"


def test_the_hunt_notices_a_wrapper_whose_threads_share_a_reply(server: Memcached) -> None:
    hunt = start(server, "meta", 20_000, "broken")
    said = end(hunt, 20_000)
    assert hunt.returncode == 1, said
    assert " read " in said
