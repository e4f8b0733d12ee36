"""How the work of ../work.py is measured: every client does the same calls on values of its own, checked beforehand."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from clients import Calls, Subject

SEED_PAIRS = 10_000
SEED_SHAPES = ("seq", "seqnotest", "seqrndwrt", "rnd", "rndmulti")
Work = SimpleNamespace
# A function and its arguments, call after call.
Job = tuple[Callable[..., object], list[tuple[Any, ...]]]


class Bench:
    """A client that does work against some servers, with keys that are nobody else's."""

    def __init__(self, subject: Subject, tag: str, ports: list[int]) -> None:
        self._subject = subject
        self._tag = tag
        self._ports = ports
        self._calls = [subject.make(ports)]
        self._stored: dict[tuple[int, int], dict[str, bytes]] = {}

    def measure(self, order: dict[str, Any], seconds: float) -> dict[str, float]:
        """Does the work for about so long. Times are microseconds per call, throughput is calls per second."""
        work = Work(**order)
        pairs = self._pairs(work)
        while len(self._calls) < (1 if self._subject.shared else work.threads):
            self._calls.append(self._subject.make(self._ports))
        return run([plan(self._calls[i % len(self._calls)], work, pairs) for i in range(work.threads)], seconds)

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
        # Of very many values these are enough to find a client that returns something else.
        some = list(pairs)[:: max(1, len(pairs) // 100)]
        if any(calls.get(key) != pairs[key] for key in some):
            raise ValueError("get does not return what was stored")


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


def run(jobs: Sequence[Job], seconds: float) -> dict[str, float]:
    """Runs each job in a thread of its own, all at once, and takes the time of every call."""
    stamps: list[list[int]] = [[] for _ in jobs]
    clock: list[float] = []
    # The last to come looks at the clock: warming up is not counted.
    barrier = threading.Barrier(len(jobs), action=lambda: clock.append(time.process_time()))
    faults: list[BaseException] = []

    def work(function: Callable[..., object], todo: list[tuple[Any, ...]], mine: list[int]) -> None:
        try:
            repeat(function, todo, seconds / 5, [])
            barrier.wait()
            repeat(function, todo, seconds, mine)
        except Exception as fault:
            faults.append(fault)
            barrier.abort()

    threads = [threading.Thread(target=work, args=(*job, mine)) for job, mine in zip(jobs[1:], stamps[1:])]
    for thread in threads:
        thread.start()
    work(*jobs[0], stamps[0])
    for thread in threads:
        thread.join()
    ended = time.process_time()
    if faults:
        raise next((fault for fault in faults if not isinstance(fault, threading.BrokenBarrierError)), faults[0])
    return summarize(stamps, ended - clock[0])


def repeat(function: Callable[..., object], todo: list[tuple[Any, ...]], seconds: float, stamps: list[int]) -> None:
    """Calls until the time is over; `stamps` is given when it began and when each call ended."""
    now, stamp = time.perf_counter_ns, stamps.append
    began = now()
    end = began + int(seconds * 1e9)
    stamp(began)
    for arguments in itertools.cycle(todo):
        function(*arguments)
        ended = now()
        stamp(ended)
        if ended >= end:
            return


def summarize(stamps: list[list[int]], cpu: float) -> dict[str, float]:
    """What is told of all calls."""
    wall = (max(each[-1] for each in stamps) - min(each[0] for each in stamps)) / 1e9
    taken = sorted(after - before for each in stamps for before, after in zip(each, each[1:]))
    count = len(taken)
    return {
        "calls": count,
        "wall": wall / (count / len(stamps)) * 1e6,
        "cpu": cpu / count * 1e6,
        "p50": taken[count // 2] / 1e3,
        "p99": taken[min(count - 1, count * 99 // 100)] / 1e3,
        "throughput": count / wall,
    }
