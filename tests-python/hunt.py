"""The hunt for mixed-up replies, a program of its own: `hunt.py STEADY MORTAL PROTOCOL OPERATIONS [broken]`.

Every value tells its key and the number of its store, and every key has one caller that writes and reads it, so that a reply
that reached the wrong caller is seen, and one that came too late. A miss is wrong too after a store that was confirmed,
unless the server was restarted since. Threads share a client with a main thread that is interrupted by signals, whose
handlers use the client too, and that forks meanwhile, the child working as well. One read in eight gives up after a few
milliseconds, and one call in four goes through a client that is closed while others use it.

Of three servers one is left alone, one is killed and started again, and one is an embedded server that is told to fail. Who
started this program restarts the second: it is asked to by a line on standard output and answers with one.

`broken` shares one reply between all threads, which the hunt has to notice. What threads count at the same time may be lost,
so there are at least so many operations.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import cmemcache
from cmemcache import _base, _client
from cmemcache.testing import Fault, Server

THREADS = 6
FORKS = 5
DEADLINE = 3.0
#: Of calls to the server that is told to fail: what it never answers costs so much.
SHORT_DEADLINE = 0.3
#: A signal's handler has calls of its own in the middle of the main thread's.
SLACK = DEADLINE + 3.0

STEADY, MORTAL, FAULTY = range(3)

#: In the classic protocol a reply that is lost, repeated or swapped can pass for another miss: those are for the meta protocol.
FAULTS_OF_TIME = [
    *[Fault.delay(0.001 * number) for number in range(1, 13)],
    *[Fault.split(length) for length in (1, 7, 1000)],
    *[Fault.truncate(length) for length in (0, 1, 20, 1000)],
    *[Fault.reset(), Fault.half_close(), Fault.out_of_memory(), Fault.too_many_connections(), Fault.garbage(b"?\r\n")]
    * 2,
    Fault.silence(),
]
FAULTS = {"classic": FAULTS_OF_TIME, "meta": [*FAULTS_OF_TIME, *[Fault.duplicate(), Fault.swap()] * 4, Fault.drop()]}

#: What has to have happened, at least so often, before a hunt is over.
EVENTS = {"interrupts": 1, "alarms": 1, "forks": FORKS, "restarts": 3, "faults": 20, "closes": 20, "closed": 1}

tally: Counter[str] = Counter()
wrong: list[str] = []
#: The mortal server's restarts, counted when each begins and when it is done, in memory that forked children see too.
restarts = memoryview(mmap.mmap(-1, 8)).cast("Q")


class Cache:
    """The clients that all callers share: one that lasts, and one that is closed and replaced again and again."""

    def __init__(self, servers: list[str], protocol: str) -> None:
        self._servers = servers
        self._protocol = protocol
        self.lasting = self._make()
        self.passing = self._make()

    def _make(self) -> cmemcache.Client:
        return cmemcache.Client(
            self._servers,
            protocol=self._protocol,
            errors="raise",
            socket_timeout=DEADLINE,
            dead_retry=0,
            failover="fail_fast",
        )

    def close_passing(self) -> None:
        closed, self.passing = self.passing, self._make()
        closed.close()
        tally["closes"] += 1

    def place(self, key: str) -> int:
        """Which of the servers holds a key."""
        return cmemcache.cmemcache_hash(key.encode()) % len(self._servers)

    def causes(self, error: cmemcache.CacheError, passing: bool) -> bool:
        """Whether an error comes of what is done to servers and clients; deadlines pass anywhere."""
        if isinstance(error, cmemcache.TimeoutError):
            return True
        if isinstance(error, cmemcache.ClosedError):
            return passing
        if error.server == self._servers[MORTAL]:
            return isinstance(error, (cmemcache.ServerDownError, cmemcache.DisconnectedError))
        return error.server == self._servers[FAULTY] and isinstance(error, cmemcache.UnavailableError)


class Caller:
    """Who writes and reads keys of its own, and knows which of its stores each may hold."""

    def __init__(self, cache: Cache, who: str) -> None:
        self._cache = cache
        self._passing = cache.passing
        self._name = f"{os.getpid()}:{who}"
        self._chance = random.Random(who)
        self._number = 0
        #: What an interrupt left undecided is there beside what is certain.
        self._possible: dict[str, set[int]] = {}
        #: How the count of restarts stood before the store that was confirmed last.
        self._kept_since: dict[str, int] = {}
        self._generations = [0] * 40

    def operate(self) -> None:
        """One to eight operations."""
        chance = self._chance
        is_store = chance.random() < 0.3
        slots = [chance.randrange(len(self._generations)) for _ in range(1 if is_store else chance.choice((1, 1, 8)))]
        keys = [f"{self._name}:{slot}:{self._generations[slot]}" for slot in slots]
        reaches_faulty = any(self._cache.place(key) == FAULTY for key in keys)
        deadline = SHORT_DEADLINE if reaches_faulty else DEADLINE
        if not is_store and chance.random() < 0.125:
            deadline = chance.uniform(0.001, 0.004)
        passing = chance.random() < 0.25
        client = self._passing if passing else self._cache.lasting
        begun = time.monotonic()
        try:
            if is_store:
                self._store(client, keys[0], "." * chance.choice((1, 100, 70_000)), deadline)
            elif len(keys) == 1:
                self._look(keys[0], client.get(keys[0], timeout=deadline))
            else:
                self._look_all(keys, client.get_multi(keys, timeout=deadline))
        except cmemcache.CacheError as error:
            self._failed(error, keys, passing)
            if is_store:
                # The server may carry it out at any time: its key is not used again.
                self._generations[slots[0]] += 1
        took = time.monotonic() - begun
        if took > deadline + SLACK:
            wrong.append(f"a call of {deadline} s took {took:.1f} s")

    def _store(self, client: cmemcache.Client, key: str, padding: str, deadline: float) -> None:
        self._number += 1
        number = self._number
        self._possible.setdefault(key, set()).add(number)
        self._kept_since.pop(key, None)
        since = restarts[0]
        client.set(key, (key, number, padding), timeout=deadline)
        self._possible[key] = {number}
        self._kept_since[key] = since
        tally["stores"] += 1

    def _look_all(self, keys: list[str], values: dict[str, Any]) -> None:
        for key in keys:
            self._look(key, values.get(key))

    def _look(self, key: str, value: Any) -> None:
        tally["misses" if value is None else "hits"] += 1
        if value is None:
            if self._is_kept(key):
                wrong.append(f"{key} of server {self._cache.place(key)} read nothing, not {self._possible[key]}")
        elif value[0] != key:
            wrong.append(f"{key} read {value[0]}")
        elif value[1] not in self._possible.get(key, ()):
            wrong.append(f"{key} read its store {value[1]}, not {self._possible.get(key)}")

    def _is_kept(self, key: str) -> bool:
        """Whether the store that was confirmed last must be there still: only a restart removes what was stored."""
        since = self._kept_since.get(key)
        if since is None or self._cache.place(key) != MORTAL:
            return since is not None
        return since % 2 == 0 and since == restarts[0]

    def _failed(self, error: cmemcache.CacheError, keys: list[str], passing: bool) -> None:
        errors = {"": error}
        if isinstance(error, cmemcache.BatchError):
            errors = dict(error.errors)
            self._look_all([key for key in keys if key not in errors], dict(error.results))
        for one in errors.values():
            tally[one.kind] += 1
            if isinstance(one, cmemcache.ClosedError):
                self._passing = self._cache.passing
            if not self._cache.causes(one, passing):
                wrong.append(f"{one!r}")


class Trouble:
    """What is done to the servers and the clients, each by a thread of its own, until the hunt is over."""

    def __init__(self, cache: Cache, faulty: Server, protocol: str) -> None:
        self._chance = random.Random(5)
        self._cache = cache
        self._faulty = faulty
        self._faults = FAULTS[protocol]
        self._over = threading.Event()
        every: dict[Callable[[], None], float] = {
            self._interrupt: 0.02,
            self._restart: 0.2,
            self._fail: 0.03,
            cache.close_passing: 0.05,
        }
        self._threads = [threading.Thread(target=self._repeat, args=what) for what in every.items()]

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._over.set()

    def wait(self) -> None:
        for thread in self._threads:
            thread.join()

    def _repeat(self, act: Callable[[], None], pause: float) -> None:
        while not self._over.wait(pause):
            act()

    def _interrupt(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    def _restart(self) -> None:
        restarts[0] += 1
        os.write(sys.stdout.fileno(), b"restart\n")
        if os.read(sys.stdin.fileno(), 100):
            restarts[0] += 1
            tally["restarts"] += 1

    def _fail(self) -> None:
        self._faulty.inject(self._chance.choice(self._faults), self._chance.randint(1, 3))
        tally["faults"] += 1


def break_the_wrapper() -> None:
    right = _base.read
    shared: list[Any] = [None]

    def read(*arguments: Any) -> Any:
        shared[0] = right(*arguments)
        time.sleep(0)
        return shared[0]

    for module in (_base, _client):
        vars(module)["read"] = read


def goes_on(operations: int) -> bool:
    return not wrong and (tally.total() < operations or any(tally[event] < least for event, least in EVENTS.items()))


def work(caller: Caller, operations: int) -> None:
    try:
        while goes_on(operations):
            caller.operate()
    except BaseException as error:
        wrong.append(f"a thread ended by {error!r}")
        raise


def fork(cache: Cache) -> None:
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.alarm(60)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            wrong.clear()
            caller = Caller(cache, "child")
            for _ in range(100):
                caller.operate()
        finally:
            os._exit(1 if wrong else 0)
    tally["forks"] += 1
    status = os.waitpid(child, 0)[1]
    if status:
        wrong.append(f"a child read a wrong value, crashed or hung: {os.waitstatus_to_exitcode(status)}")


class Interruptible:
    """The main thread: it alone gets signals, which strike anywhere in its operations, and it forks."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._caller = Caller(cache, "main")
        self._in_handler = Caller(cache, "handler")
        self._is_handling = False
        self._is_operating = False

    def work(self, operations: int) -> None:
        while goes_on(operations):
            if tally["forks"] < FORKS and tally.total() > tally["forks"] * operations / (FORKS + 1):
                fork(self._cache)
            try:
                self._is_operating = True
                self._caller.operate()
                self._is_operating = False
            except KeyboardInterrupt:
                tally["interrupts"] += 1

    def interrupt(self, *_: object) -> None:
        if self._is_operating:
            self._is_operating = False
            raise KeyboardInterrupt

    def handle(self, *_: object) -> None:
        if self._is_handling:
            return
        try:
            self._is_handling = True
            self._in_handler.operate()
            tally["alarms"] += 1
        finally:
            self._is_handling = False


def main(steady: str, mortal: str, protocol: str, operations: int) -> int:
    faulty = Server(memory_limit=1 << 30)
    cache = Cache([steady, mortal, faulty.address], protocol)
    trouble = Trouble(cache, faulty, protocol)
    main_thread = Interruptible(cache)
    threads = [
        threading.Thread(target=work, args=(Caller(cache, f"thread{number}"), operations)) for number in range(THREADS)
    ]
    signal.signal(signal.SIGALRM, main_thread.handle)
    signal.signal(signal.SIGINT, main_thread.interrupt)
    for thread in threads:
        thread.start()
    trouble.begin()
    signal.setitimer(signal.ITIMER_REAL, 0.013, 0.013)
    main_thread.work(operations)
    signal.setitimer(signal.ITIMER_REAL, 0)
    trouble.end()
    for thread in threads:
        thread.join()
    trouble.wait()
    print(dict(tally), f"wrong: {len(wrong)}", *wrong[:3])
    return 1 if wrong else 0


if __name__ == "__main__":
    if "broken" in sys.argv:
        break_the_wrapper()
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
