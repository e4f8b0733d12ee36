"""The kinds of work that are measured: the same for all languages, and a worker in each language that knows how to do them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

MIB = 1 << 20
SEED_SHAPES = ("seq", "seqnotest", "seqrndwrt", "rnd", "rndmulti")
NEAR, ONE_CORE, AWAY_1_MS, AWAY_50_MS = "", "on one core", "server 1 ms away", "server 50 ms away"


@dataclass(frozen=True)
class Work:
    """One kind of work.

    `operation` is get, set, get_multi, set_multi; one of `SEED_SHAPES`; or get_beside_large: small gets while one more thread
    gets 1 MiB values from the same client. `batch` is keys per call, `size` bytes per value, `threads` those that call,
    `server_threads` memcached's -t, `servers` how many of them, `setting` where they are.
    """

    operation: str
    batch: int = 1
    size: int = 100
    threads: int = 1
    server_threads: int = 1
    servers: int = 1
    setting: str = NEAR

    @property
    def name(self) -> str:
        """A name for people: `get_multi of 100`, `get of 1 MiB`."""
        parts = [self.operation]
        if self.operation.endswith("_multi"):
            parts.append(f"of {self.batch}")
        if self.size != 100:
            parts.append(f"of {bytes_in_words(self.size)}")
        if self.threads > 1:
            parts.append(f"from {self.threads} threads")
        if self.servers > 1:
            parts.append(f"over {self.servers} servers")
        if self.setting:
            parts.append(self.setting)
        return " ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """As a plain dictionary."""
        return asdict(self)


def bytes_in_words(size: int) -> str:
    """`1 MiB`, `10 kB`, `1 B`."""
    for unit, name in ((MIB, "MiB"), (1000, "kB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def basics(server_threads: int) -> list[Work]:
    """One call at a time, small values, batches and large values."""
    shapes = [("get", 1, 100), ("set", 1, 100), ("get_multi", 100, 100), ("set_multi", 100, 100)]
    shapes += [("get", 1, MIB), ("set", 1, MIB)]
    return [Work(operation, batch, size, 1, server_threads) for operation, batch, size in shapes]


def by_threads(server_threads: int, counts: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)) -> list[Work]:
    """Gets from several threads of one process."""
    return [Work("get", threads=count, server_threads=server_threads) for count in counts]


def crowds(counts: tuple[int, ...] = (8, 64)) -> list[Work]:
    """What else several threads of one process may do."""
    kinds = [("set", 1), ("get_multi", 100)]
    return [Work(operation, batch, threads=count) for operation, batch in kinds for count in counts]


def seed() -> list[Work]:
    """The shapes by which the first cmemcache compared itself with python-memcached."""
    return [Work(shape) for shape in SEED_SHAPES]


def by_batch(counts: tuple[int, ...] = (1, 10, 100, 1000, 10_000)) -> list[Work]:
    """How a batch's time grows with its keys."""
    return [Work(operation, count) for operation in ("get_multi", "set_multi") for count in counts]


def by_size(sizes: tuple[int, ...] = (1, 100, 1000, 10_000, 100_000, MIB)) -> list[Work]:
    """How a call's time grows with its value."""
    return [Work(operation, size=size) for operation in ("get", "set") for size in sizes]


def by_servers(counts: tuple[int, ...] = (1, 2, 4, 8, 16)) -> list[Work]:
    """How a batch's time grows with its servers: 100 keys for each."""
    return [Work("get_multi", 100 * count, servers=count) for count in counts]


def waiting(*, is_quick: bool = False) -> list[Work]:
    """Where a spin could cost more than it saves."""
    many = [Work("get", threads=threads) for threads in (8, 32, 64)]
    alone = [Work("get", threads=threads, setting=ONE_CORE) for threads in (1, 8)]
    away = [Work("get", setting=AWAY_1_MS), *([] if is_quick else [Work("get", setting=AWAY_50_MS)])]
    return [*many, *alone, *away]


def beside_large() -> list[Work]:
    """Small gets alone, and beside one thread that gets large values."""
    return [Work(operation, threads=4, server_threads=4) for operation in ("get", "get_beside_large")]


def everything(language: str, is_quick: bool) -> list[Work]:
    """All work of a language, each kind once; a quick run leaves out what lies between."""
    kinds = [*basics(1)]
    if is_quick:
        kinds += [*basics(4)[:1], *by_threads(1, (8, 32, 64)), *by_threads(4, (64,)), *by_batch((1, 1000))]
        kinds += by_size((1, 10_000))
        servers = by_servers((1, 4, 16))
    else:
        kinds += [*basics(4), *by_threads(1), *by_threads(4), *by_batch(), *by_size()]
        servers = by_servers()
        if language == "kotlin":
            kinds += crowds()
    if language in ("python", "native"):
        kinds += servers
    if language == "python":
        kinds += seed()[:1] if is_quick else seed()
    if language == "native":
        kinds += [*waiting(is_quick=is_quick), *beside_large()]
    return list(dict.fromkeys(kinds))
