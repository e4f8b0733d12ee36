"""The hunt for mixed-up replies, a program of its own: `hunt.py ADDRESS PROTOCOL OPERATIONS [broken]`.

Every value tells its key, so that a reply that reached the wrong caller is seen. Threads share one client with a main thread
that forks while the others are in calls, the child working as well, and that is then interrupted by signals whose handlers use
the client too. One read in eight gives up after a few milliseconds. `broken` shares one reply between all threads, which the
hunt has to notice. What threads count at the same time may be lost, so there are at least so many operations.
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
from cmemcache import _base

THREADS = 6
DEADLINE = 3.0
SLACK = 3.0

tally: Counter[str] = Counter()
foreign: list[str] = []


def break_the_wrapper() -> None:
    wrapper: Any = _base
    right = wrapper.read
    shared: list[Any] = [None]

    def read(*arguments: Any) -> Any:
        shared[0] = right(*arguments)
        time.sleep(0)
        return shared[0]

    wrapper.read = read


def look(key: str, value: Any) -> None:
    tally["hits" if value is not None else "misses"] += 1
    if value is not None and value[0] != key:
        foreign.append(f"{key} read {value[0]}")


def operate(client: cmemcache.Client, who: str, chance: random.Random) -> None:
    """One to eight operations, on keys of the caller's own."""
    keys = [f"{who}:{chance.randrange(40)}" for _ in range(chance.choice((1, 1, 8)))]
    begun = time.monotonic()
    deadline = chance.uniform(0.001, 0.004) if chance.random() < 0.125 else DEADLINE
    try:
        if chance.random() < 0.3:
            deadline = DEADLINE
            client.set(keys[0], (keys[0], "." * chance.choice((1, 100, 70_000))))
            tally["writes"] += 1
        elif len(keys) == 1:
            look(keys[0], client.get(keys[0], timeout=deadline))
        else:
            values = client.get_multi(keys, timeout=deadline)
            for key in keys:
                look(key, values.get(key))
    except cmemcache.CacheError:
        tally["errors"] += len(keys)
    took = time.monotonic() - begun
    if took > deadline + SLACK:
        foreign.append(f"a call of {deadline} s took {took:.1f} s")


def work(client: cmemcache.Client, who: str, operations: int) -> None:
    chance = random.Random(who)
    while tally.total() < operations and not foreign:
        operate(client, who, chance)


def fork(client: cmemcache.Client, number: int) -> None:
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.alarm(30)
        chance = random.Random(number)
        for _ in range(100):
            operate(client, f"child{number}", chance)
        os._exit(1 if foreign else 0)
    if os.waitpid(child, 0)[1] != 0:
        foreign.append("a child read a foreign value, crashed or hung")


def interrupted(client: cmemcache.Client, operations: int) -> None:
    """The main thread: it alone gets signals."""
    chance = random.Random(0)
    while tally.total() < operations and not foreign:
        try:
            while tally.total() < operations and not foreign:
                operate(client, "main", chance)
        except KeyboardInterrupt:
            tally["interrupts"] += 1


def main(address: str, protocol: str, operations: int) -> int:
    client = cmemcache.Client([address], protocol=protocol, errors="raise", socket_timeout=DEADLINE, dead_retry=0)
    handled = random.Random(1)
    signal.signal(signal.SIGALRM, lambda *_: operate(client, "handler", handled))
    threads = [threading.Thread(target=work, args=(client, f"thread{n}", operations)) for n in range(THREADS)]
    done = threading.Event()

    def interrupt() -> None:
        while not done.wait(0.02):
            os.kill(os.getpid(), signal.SIGINT)

    for thread in threads:
        thread.start()
    for number in range(5):
        fork(client, number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.013, 0.013)
    interrupter = threading.Thread(target=interrupt)
    try:
        interrupter.start()
        interrupted(client, operations)
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)
        done.set()
    for thread in threads:
        thread.join()
    print(dict(tally), "forks: 5", f"foreign: {len(foreign)}", *foreign[:3])
    return 1 if foreign else 0


if __name__ == "__main__":
    if "broken" in sys.argv:
        break_the_wrapper()
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
