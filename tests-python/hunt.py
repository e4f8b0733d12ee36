"""The hunt for mixed-up replies, a program of its own: `hunt.py ADDRESS PROTOCOL OPERATIONS [broken]`.

Every value tells its key and the number of its store, and every key has one caller that writes and reads it, so that a reply
that reached the wrong caller is seen, and one that came too late. Threads share a client with a main thread that is interrupted
by signals, whose handlers use the client too, and that forks meanwhile, the child working as well. One read in eight gives up
after a few milliseconds. `broken` shares one reply between all threads, which the hunt has to notice. What threads count at the
same time may be lost, so there are at least so many operations.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from typing import Any

import cmemcache
from cmemcache import _base, _client

THREADS = 6
FORKS = 5
DEADLINE = 3.0
SLACK = 3.0

tally: Counter[str] = Counter()
wrong: list[str] = []


def break_the_wrapper() -> None:
    right = _base.read
    shared: list[Any] = [None]

    def read(*arguments: Any) -> Any:
        shared[0] = right(*arguments)
        time.sleep(0)
        return shared[0]

    for module in (_base, _client):
        vars(module)["read"] = read


class Caller:
    """Who writes and reads keys of its own, and knows which of its stores each may hold."""

    def __init__(self, client: cmemcache.Client, who: str) -> None:
        self._client = client
        self._name = f"{os.getpid()}:{who}"
        self._chance = random.Random(who)
        self._number = 0
        #: What an interrupt or a failure left undecided is there beside what is certain.
        self._possible: dict[str, set[int]] = {}
        self._retired = 0

    def operate(self) -> None:
        """One to eight operations."""
        chance = self._chance
        slots = [chance.randrange(40) for _ in range(chance.choice((1, 1, 8)))]
        keys = [f"{self._name}:{self._retired}:{slot}" for slot in slots]
        is_store = chance.random() < 0.3
        deadline = DEADLINE if is_store or chance.random() >= 0.125 else chance.uniform(0.001, 0.004)
        begun = time.monotonic()
        try:
            if is_store:
                self._store(keys[0], "." * chance.choice((1, 100, 70_000)))
            elif len(keys) == 1:
                self._look(keys[0], self._client.get(keys[0], timeout=deadline))
            else:
                values = self._client.get_multi(keys, timeout=deadline)
                for key in keys:
                    self._look(key, values.get(key))
        except cmemcache.CacheError as error:
            self._failed(error, is_store)
        took = time.monotonic() - begun
        if took > deadline + SLACK:
            wrong.append(f"a call of {deadline} s took {took:.1f} s")

    def _store(self, key: str, padding: str) -> None:
        self._number += 1
        number = self._number
        self._possible.setdefault(key, set()).add(number)
        self._client.set(key, (key, number, padding))
        self._possible[key] = {number}
        tally["stores"] += 1

    def _look(self, key: str, value: Any) -> None:
        tally["misses" if value is None else "hits"] += 1
        if value is None:
            return
        if value[0] != key:
            wrong.append(f"{key} read {value[0]}")
        elif value[1] not in self._possible.get(key, ()):
            wrong.append(f"{key} read its store {value[1]}, not {self._possible.get(key)}")

    def _failed(self, error: cmemcache.CacheError, is_store: bool) -> None:
        errors = list(error.errors.values()) if isinstance(error, cmemcache.BatchError) else [error]
        late = [one for one in errors if isinstance(one, cmemcache.TimeoutError)]
        tally["timeouts"] += len(late)
        wrong.extend(f"{one!r}" for one in errors if one not in late)
        if is_store:
            # The server may carry it out at any time: its keys are not used again.
            self._retired += 1


def work(caller: Caller, operations: int) -> None:
    while tally.total() < operations and not wrong:
        caller.operate()


def fork(client: cmemcache.Client) -> None:
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.alarm(30)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            wrong.clear()
            caller = Caller(client, "child")
            for _ in range(100):
                caller.operate()
        finally:
            os._exit(1 if wrong else 0)
    tally["forks"] += 1
    ended = None
    while ended is None:
        try:
            # Looks without taking it away: an interrupt may strike before the answer is kept.
            ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        except KeyboardInterrupt:
            tally["interrupts"] += 1
    if (ended.si_code, ended.si_status) != (os.CLD_EXITED, 0):
        wrong.append(f"a child read a wrong value, crashed or hung: {ended}")


def interrupted(client: cmemcache.Client, operations: int) -> None:
    """The main thread: it alone gets signals, and it forks."""
    caller = Caller(client, "main")
    while tally.total() < operations and not wrong:
        try:
            while tally.total() < operations and not wrong:
                if tally["forks"] < FORKS and tally.total() > tally["forks"] * operations / (FORKS + 1):
                    fork(client)
                caller.operate()
        except KeyboardInterrupt:
            tally["interrupts"] += 1


def main(address: str, protocol: str, operations: int) -> int:
    client = cmemcache.Client([address], protocol=protocol, errors="raise", socket_timeout=DEADLINE, dead_retry=0)
    in_handler = Caller(client, "handler")
    is_handling = False

    def handle(*_: object) -> None:
        nonlocal is_handling
        if is_handling:
            return
        try:
            is_handling = True
            in_handler.operate()
            tally["alarms"] += 1
        finally:
            is_handling = False

    threads = [
        threading.Thread(target=work, args=(Caller(client, f"thread{number}"), operations)) for number in range(THREADS)
    ]
    done = threading.Event()

    def interrupt() -> None:
        while not done.wait(0.02):
            os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGALRM, handle)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupter = threading.Thread(target=interrupt)
    try:
        for thread in [*threads, interrupter]:
            thread.start()
        signal.setitimer(signal.ITIMER_REAL, 0.013, 0.013)
        interrupted(client, operations)
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)
        done.set()
    for thread in threads:
        thread.join()
    print(dict(tally), f"wrong: {len(wrong)}", *wrong[:3])
    return 1 if wrong else 0


if __name__ == "__main__":
    if "broken" in sys.argv:
        break_the_wrapper()
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
