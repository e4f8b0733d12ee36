"""Servers that tests start and end: real memcached processes, and listeners that are something else."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

#: Times of clients whose calls are expected to end well: a busy machine can stand still for a second.
PATIENT = {"timeout": 20.0, "connect_timeout": 10.0}

_reserved: list[socket.socket] = []


def free_port() -> int:
    """A port on which nobody listens, and that the system gives to nobody while this process lives.

    It is bound and never listens: who connects is refused, and a server that asks to share it, as memcached does, may
    listen, end and come back without another program having taken its place.
    """
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("", 0))
    _reserved.append(bound)
    return int(bound.getsockname()[1])


class Memcached:
    """A memcached process on a port of its own."""

    def __init__(self, *arguments: str, unix: str | None = None) -> None:
        self.port = 0 if unix else free_port()
        self.path = unix
        self.address = f"unix:{unix}" if unix else f"127.0.0.1:{self.port}"
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        program = shutil.which("memcached")
        assert program, "memcached is not installed"
        user = ["-u", "root"] if os.geteuid() == 0 else []
        where = ["-s", self.path] if self.path else ["-l", "127.0.0.1", "-p", str(self.port), "-U", "0"]
        self._process = subprocess.Popen([program, *where, *user, *self._arguments], stderr=subprocess.DEVNULL)
        self._await()

    def _await(self) -> None:
        for _ in range(3000):
            assert self._process is not None
            assert self._process.poll() is None, "memcached ended at once"
            with contextlib.suppress(OSError):
                if "-Z" in self._arguments:
                    self.connect().close()
                else:
                    self.ask(b"version\r\n")
                return
            time.sleep(0.01)
        raise AssertionError("memcached does not answer")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        self.kill()
        self.start()

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def connect(self) -> socket.socket:
        if self.path:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(5)
            connection.connect(self.path)
            return connection
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def ask(self, command: bytes, end: bytes = b"\r\n") -> bytes:
        """What the server answers to a raw command."""
        with self.connect() as connection:
            connection.sendall(command)
            answer = b""
            while not answer.endswith(end):
                received = connection.recv(65536)
                if not received:
                    break
                answer += received
            return answer

    def raw(self, key: str) -> tuple[bytes, int] | None:
        """The bytes and flags that the server keeps under a key."""
        answer = self.ask(b"get " + key.encode() + b"\r\n", b"END\r\n")
        if answer == b"END\r\n":
            return None
        head, rest = answer.split(b"\r\n", 1)
        _, _, flags, length = head.split()
        return rest[: int(length)], int(flags)

    def put(self, key: str, data: bytes, flags: int) -> None:
        """Stores bytes and flags, whatever they are."""
        command = b"set %s %d 0 %d\r\n%s\r\n" % (key.encode(), flags, len(data), data)
        assert self.ask(command) == b"STORED\r\n"

    def flush(self) -> None:
        assert self.ask(b"flush_all\r\n") == b"OK\r\n"

    def commands(self) -> int:
        """How many bytes the server has read from clients, this question excluded."""
        answer = self.ask(b"stats\r\n", b"END\r\n")
        fields = dict(line.split()[1:3] for line in answer.splitlines() if line.startswith(b"STAT"))
        return int(fields[b"bytes_read"])


class Listener:
    """A listener on a free port that records what it receives and does with each connection what it is told."""

    def __init__(self, answer: bytes | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.address = f"127.0.0.1:{self.port}"
        self.received = bytearray()
        self.connections = 0
        self._answer = answer
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := connection.recv(65536):
                self.received += data
                if self._answer is not None:
                    connection.sendall(self._answer)

    def close(self) -> None:
        self._listener.close()
        for connection in self._open:
            connection.close()


@contextlib.contextmanager
def memcached(*arguments: str, unix: str | None = None) -> Iterator[Memcached]:
    server = Memcached(*arguments, unix=unix)
    try:
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def listener(answer: bytes | None = None) -> Iterator[Listener]:
    one = Listener(answer)
    try:
        yield one
    finally:
        one.close()
