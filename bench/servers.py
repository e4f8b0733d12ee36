"""What the clients talk to: memcached processes of our own, one on a single core, and relays that answer late."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

from work import AWAY_1_MS, AWAY_50_MS, NEAR, ONE_CORE, Work, by_servers

HOST = "127.0.0.1"
# The tool that holds a program on one core; Linux only.
ON_ONE_CORE = ["taskset", "-c", "0"] if shutil.which("taskset") else []
MOST_SERVERS = max(work.servers for work in by_servers())
IDLE_SERVERS = 1000


class Servers:
    """All servers of a run, by what work asks for. They are started when they are first needed, and stopped with the stack."""

    def __init__(self, stack: contextlib.ExitStack, relay: str) -> None:
        self._stack = stack
        self._relay = relay
        self._ports: dict[tuple[int, str, bool], list[int]] = {}

    def ports(self, work: Work) -> list[int]:
        """The ports for some work."""
        is_many = work.servers > 1
        key = (work.server_threads, work.setting, is_many)
        if key not in self._ports:
            self._ports[key] = [self._start(work) for _ in range(MOST_SERVERS if is_many else 1)]
        return self._ports[key][: work.servers]

    def idle(self) -> list[int]:
        """One memcached that listens on very many ports."""
        return self._stack.enter_context(memcached(ports=free_ports(IDLE_SERVERS), connections=4 * IDLE_SERVERS))

    def _start(self, work: Work) -> int:
        if work.setting in (AWAY_1_MS, AWAY_50_MS):
            near = self.ports(Work("get", setting=NEAR))[0]
            return self._stack.enter_context(relay(self._relay, near, 1 if work.setting == AWAY_1_MS else 50))
        wrapper = ON_ONE_CORE if work.setting == ONE_CORE else []
        return self._stack.enter_context(memcached(work.server_threads, free_ports(1), wrapper=wrapper))[0]


def free_ports(count: int) -> list[int]:
    """Ports on which nobody listens."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextlib.contextmanager
def memcached(
    threads: int = 1, ports: list[int] | None = None, connections: int = 1024, wrapper: list[str] | None = None
) -> Iterator[list[int]]:
    """A memcached that listens on these ports."""
    ports = ports or free_ports(1)
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    listen = ",".join(f"{HOST}:{port}" for port in ports)
    arguments = ["-l", listen, "-p", str(ports[0]), "-U", "0", "-t", str(threads), "-c", str(connections)]
    command = [*(wrapper or []), "memcached", *arguments, "-m", "1024", "-I", "4m", *user]
    with subprocess.Popen(command) as process:
        try:
            wait_for(ports[-1], process)
            yield ports
        finally:
            # It has nothing to save, and takes a second to end in its own way.
            process.kill()


@contextlib.contextmanager
def relay(program: str, port: int, millis: int) -> Iterator[int]:
    """A server that is far away: the native worker passes on what it gets, so many milliseconds later."""
    with subprocess.Popen([program, "relay", str(port), str(millis)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline())
        finally:
            process.kill()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Returns when somebody listens."""
    for _ in range(500):
        if process.poll() is not None:
            raise RuntimeError(f"memcached ended at once with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection((HOST, port)):
            return
        time.sleep(0.02)
    raise RuntimeError("memcached does not listen")
