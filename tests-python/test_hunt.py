"""The hunt for mixed-up replies, in processes beside each other; HUNT_OPERATIONS is how many operations all make together."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from servers import Memcached, memcached

PROGRAM = Path(__file__).parent / "hunt.py"
OPERATIONS = int(os.environ.get("HUNT_OPERATIONS", "100000"))
EVENTS = (
    "interrupts",
    "alarms",
    "forks",
    "restarts",
    "faults",
    "closes",
    "timeout",
    "server_down",
    "disconnected",
    "closed",
)


def hunt(steady: Memcached, protocol: str, operations: int, *more: str) -> tuple[int, str]:
    """Runs the program, restarts its mortal server when it asks for that, and returns its status and what it said."""
    with memcached("-m", "256") as mortal:
        command = [sys.executable, str(PROGRAM), steady.address, mortal.address, protocol, str(operations), *more]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin is not None
        assert process.stdout is not None
        patience = threading.Timer(120 + operations / 200, process.kill)
        patience.start()
        try:
            said = []
            for line in process.stdout:
                if line == "restart\n":
                    mortal.restart()
                    process.stdin.write("done\n")
                    process.stdin.flush()
                else:
                    said.append(line)
            return process.wait(), "".join(said)
        finally:
            patience.cancel()
            process.kill()


def test_no_thread_process_signal_or_fork_reads_a_foreign_value(protocol: str) -> None:
    each = OPERATIONS // 4
    # A server of its own: in one that holds other things too, the largest values could push each other out.
    with memcached("-m", "256") as steady, ThreadPoolExecutor(2) as both:
        hunts = [both.submit(hunt, steady, protocol, each) for _ in range(2)]
        for one in hunts:
            status, said = one.result()
            print(said)
            assert status == 0, said
            assert "wrong: 0" in said
            for event in EVENTS:
                assert f"'{event}'" in said, f"no {event}: {said}"


def test_the_hunt_notices_a_wrapper_whose_threads_share_a_reply(server: Memcached) -> None:
    status, said = hunt(server, "meta", 20_000, "broken")
    assert status == 1, said
    assert " read " in said
