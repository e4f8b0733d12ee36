"""The work that is measured, and how: every client does the same calls on values of its own, checked before the clock runs."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from clients import Calls, Subject

SEED_PAIRS = 10_000
SEED_SHAPES = ("seq", "seqnotest", "seqrndwrt", "rnd", "rndmulti")


@dataclass(frozen=True)
class Work:
    """One kind of work. `operation` is a method of `Calls` or one of `SEED_SHAPES`."""

    operation: str
    batch: int = 1
    size: int = 100
    threads: int = 1
    server_threads: int = 1

    @property
    def name(self) -> str:
        """A name for people: `get_multi of 100`, `get of 1 MiB`."""
        parts = [self.operation]
        if self.operation.endswith("_multi"):
            parts.append(f"of {self.batch}")
        if self.size != 100 and self.operation in ("get", "set"):
            parts.append(f"of {bytes_in_words(self.size)}")
        if self.threads > 1:
            parts.append(f"from {self.threads} threads")
        return " ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """As a plain dictionary."""
        return asdict(self)


def bytes_in_words(size: int) -> str:
    """`1 MiB`, `10 kB`, `1 B`."""
    for unit, name in ((1 << 20, "MiB"), (1000, "kB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def basics(server_threads: int) -> list[Work]:
    """One call at a time, small values, batches and large values."""
    shapes = [("get", 1, 100), ("set", 1, 100), ("get_multi", 100, 100), ("set_multi", 100, 100)]
    shapes += [("get", 1, 1 << 20), ("set", 1, 1 << 20)]
    return [Work(operation, batch, size, 1, server_threads) for operation, batch, size in shapes]


def under_threads(server_threads: int) -> list[Work]:
    """Gets from several threads of one process."""
    return [Work("get", threads=threads, server_threads=server_threads) for threads in (1, 2, 4, 8, 32)]


def seed() -> list[Work]:
    """The shapes by which the first cmemcache compared itself with python-memcached."""
    return [Work(shape) for shape in SEED_SHAPES]


def by_batch() -> list[Work]:
    """How a batch's time grows with its keys."""
    return [Work(operation, batch) for operation in ("get_multi", "set_multi") for batch in (1, 10, 100, 1000, 10_000)]


def by_size() -> list[Work]:
    """How a call's time grows with its value."""
    sizes = (1, 100, 1000, 10_000, 100_000, 1 << 20)
    return [Work(operation, size=size) for operation in ("get", "set") for size in sizes]


def everything() -> list[Work]:
    """All work, each kind once."""
    kinds = [*basics(1), *basics(4), *under_threads(1), *under_threads(4), *seed(), *by_batch(), *by_size()]
    return list(dict.fromkeys(kinds))


class Bench:
    """A client that does work against one server, with keys that are nobody else's."""

    def __init__(self, subject: Subject, tag: str, port: int) -> None:
        self._subject = subject
        self._tag = tag
        self._port = port
        self._calls = [subject.make(port)]
        self._stored: dict[tuple[int, int], dict[str, bytes]] = {}

    def measure(self, work: Work, seconds: float) -> dict[str, float]:
        """Does the work for about so long. Times are microseconds per call, throughput is calls per second."""
        pairs = self._pairs(work)
        while len(self._calls) < (1 if self._subject.shared else work.threads):
            self._calls.append(self._subject.make(self._port))
        jobs = [plan(self._calls[index % len(self._calls)], work, pairs) for index in range(work.threads)]
        calls = max(3, int(seconds / self._estimate(jobs, seconds / 10) / work.threads))
        return run([(function, list(itertools.islice(itertools.cycle(todo), calls))) for function, todo in jobs])

    def _pairs(self, work: Work) -> dict[str, bytes]:
        """The keys and values of some work, stored when they are first needed."""
        if work.operation in SEED_SHAPES:
            count, size = SEED_PAIRS, 3600
        else:
            count, size = max(work.batch, 100 if work.size <= 10_000 else 8), work.size
        if (count, size) not in self._stored:
            # 6 bytes a key as a rule; the seed's have 32.
            width = 30 if work.operation in SEED_SHAPES else 4
            letter = "abcdefghij"[len(str(size))]
            filling = random.Random(size).randbytes(size)
            pairs = {f"{self._tag}{letter}{n:0{width}d}": (b"%d" % n + filling)[:size] for n in range(count)}
            self._store(pairs)
            self._stored[count, size] = pairs
        return self._stored[count, size]

    def _store(self, pairs: dict[str, bytes]) -> None:
        """Stores values and, where the client returns what it reads, checks that they come back."""
        calls = self._calls[0]
        calls.set_multi(pairs)
        if not self._subject.reads:
            return
        # meta-memcache returns keys of a type of its own.
        if sorted(calls.get_multi(list(pairs)).values()) != sorted(pairs.values()):
            raise ValueError("get_multi does not return what set_multi stored")
        if any(calls.get(key) != value for key, value in pairs.items()):
            raise ValueError("get does not return what was stored")

    def _estimate(self, jobs: list[tuple[Callable[..., object], list[tuple[Any, ...]]]], seconds: float) -> float:
        """Seconds per call, warming everything up on the way."""
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds or done == 0:
            for function, todo in jobs:
                function(*todo[done % len(todo)])
            done += 1
        return (time.perf_counter() - began) / done / len(jobs)


def plan(calls: Calls, work: Work, pairs: dict[str, bytes]) -> tuple[Callable[..., object], list[tuple[Any, ...]]]:
    """The function to call and its arguments, call after call."""
    keys = list(pairs)
    if work.operation == "get":
        return calls.get, [(key,) for key in keys]
    if work.operation == "set":
        return calls.set, list(pairs.items())
    if work.operation == "get_multi":
        return calls.get_multi, [(keys[: work.batch],)]
    if work.operation == "set_multi":
        return calls.set_multi, [({key: pairs[key] for key in keys[: work.batch]},)]
    return plan_seed(calls, work.operation, pairs)


def plan_seed(calls: Calls, shape: str, pairs: dict[str, bytes]) -> tuple[Callable[..., object], list[tuple[Any, ...]]]:
    """The shapes of the seed's cachecmp: get all and check, get all, a quarter of writes, random order, two at a time."""
    chance = random.Random(shape)
    keys = list(pairs)

    def get_and_check(key: str, value: bytes) -> None:
        if calls.get(key) != value:
            raise ValueError(f"{key} has another value than was stored")

    def get_or_set(key: str, value: bytes | None) -> object:
        return calls.get(key) if value is None else calls.set(key, value)

    if shape == "seq":
        return get_and_check, list(pairs.items())
    if shape == "seqnotest":
        return calls.get, [(key,) for key in keys]
    if shape == "seqrndwrt":
        return get_or_set, [(key, value if chance.random() < 0.25 else None) for key, value in pairs.items()]
    shuffled = chance.sample(keys, len(keys))
    if shape == "rnd":
        return calls.get, [(key,) for key in shuffled]
    return calls.get_multi, [(list(two),) for two in zip(shuffled[::2], shuffled[1::2])]


def run(jobs: Sequence[tuple[Callable[..., object], list[tuple[Any, ...]]]]) -> dict[str, float]:
    """Runs each job in a thread of its own, all at once, and takes the time of every call."""
    stamps: list[list[int]] = [[] for _ in jobs]
    barrier = threading.Barrier(len(jobs))
    faults: list[BaseException] = []

    def work(function: Callable[..., object], todo: list[tuple[Any, ...]], mine: list[int]) -> None:
        now, stamp = time.perf_counter_ns, mine.append
        barrier.wait()
        stamp(now())
        try:
            for arguments in todo:
                function(*arguments)
                stamp(now())
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(*job, mine)) for job, mine in zip(jobs[1:], stamps[1:])]
    for thread in threads:
        thread.start()
    cpu = time.process_time()
    work(*jobs[0], stamps[0])
    for thread in threads:
        thread.join()
    cpu = time.process_time() - cpu
    if faults:
        raise faults[0]
    wall = (max(each[-1] for each in stamps) - min(each[0] for each in stamps)) / 1e9
    taken = sorted(after - before for each in stamps for before, after in zip(each, each[1:]))
    count = len(taken)
    return {
        "calls": count,
        "wall": wall / (count / len(jobs)) * 1e6,
        "cpu": cpu / count * 1e6,
        "p50": taken[count // 2] / 1e3,
        "p99": taken[min(count - 1, count * 99 // 100)] / 1e3,
        "throughput": count / wall,
    }
