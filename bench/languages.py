"""The languages: the clients that are compared in each, and how a worker for one of them is started."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from work import NEAR, Work, waiting

ROOT = Path(__file__).resolve().parents[1]
OURS = "cmemcache"


@dataclass(frozen=True)
class Language:
    """A language. `clients` holds all that is measured; `limits` those of them that are no clients but what is possible."""

    name: str
    title: str
    clients: tuple[str, ...]
    limits: tuple[str, ...]
    program: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def peers(self) -> list[str]:
        """The clients of others."""
        return [client for client in self.clients if client not in self.limits and not client.startswith(OURS)]

    def does(self, client: str, work: Work) -> bool:
        """Whether a client is asked for some work."""
        if client in self.limits:
            # They look at no value, know no second server, and `wire-spin` is for one caller only.
            is_known = work.operation in ("get", "set", "get_multi", "set_multi") and work.servers == 1
            return is_known and work.setting == NEAR and not (client == "wire-spin" and work.threads > 1)
        if client == "cmemcache-blocking":
            return work in waiting()
        if client == "async-memcached" and work.servers > 1:
            return False  # One connection of one server is all that it is.
        return client == OURS or work.setting == NEAR


PYTHON = Language(
    "python",
    "Python",
    (OURS, "python-memcached", "pymemcache", "pylibmc", "libmc", "meta-memcache", "wire"),
    ("wire",),
    (sys.executable, "bench/python/worker.py"),
    (
        "How each client is set up stands in `bench/python/clients.py`: no delay, every reply awaited, no compression, raw "
        "bytes. Ours runs with its defaults.",
        "cmemcache, python-memcached and meta-memcache: one client for all threads. pymemcache, pylibmc and libmc: a client "
        "per thread, as their documentation asks.",
    ),
)
NATIVE = Language(
    "native",
    "Native",
    (OURS, "libmemcached", "memcache", "async-memcached", "cmemcache-blocking", "wire", "wire-spin"),
    ("wire", "wire-spin"),
    ("target/bench-native/release/bench-native",),
    (
        "How each client is set up stands in `bench/native/src/peers`: no delay, every reply awaited. Ours runs with its "
        "defaults and is shared by all threads; the others have a client and a connection per thread.",
        "`cmemcache-blocking` is ours with `spin = off`; `wire-spin` is the limit for a caller that polls for up to 50 us "
        "before it sleeps, as ours does.",
    ),
)
KOTLIN = Language(
    "kotlin",
    "JVM",
    (OURS, "spymemcached", "xmemcached", "folsom", "wire"),
    ("wire",),
    # spymemcached logs to standard error unless it is told to use what keeps silent.
    (
        "java",
        "-Dnet.spy.log.LoggerImpl=net.spy.memcached.compat.log.SLF4JLogger",
        "-Xms512m",
        "-Xmx512m",
        "-jar",
        "bench/kotlin/target/benchmarks.jar",
    ),
    (
        "How each client is set up stands in `bench/kotlin`: every reply awaited, one client for all threads as the manuals "
        "ask. Ours runs with its defaults. Each process is warmed up before the first measurement.",
    ),
)
SWIFT = Language(
    "swift",
    "Swift",
    (OURS, "cmemcache-async", "cmemcache-codable", "cmemcache-codable-async", "wire"),
    ("wire",),
    ("make/bin/swift-toolchain", "env", "bench/swift/CacheBench/.build/release/CacheBench"),
    (
        "`cmemcache` is `StringClient`, `cmemcache-codable` is `Client`; each blocking and async. swift-memcache is not among "
        "them: it comes as source from its repository only, with dependencies of its own, and neither could be reached.",
    ),
)
LANGUAGES = {language.name: language for language in (PYTHON, NATIVE, KOTLIN, SWIFT)}
