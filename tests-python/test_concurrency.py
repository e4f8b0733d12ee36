"""Threads, forks, signals and exceptions at any moment: no call may ever return what belongs to another."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

import cmemcache
from cmemcache import Client
from servers import PATIENT, Memcached, memcached

KEYS = [f"key:{number}" for number in range(50)]


def value_of(key: str, size: int = 0) -> str:
    """A value that tells whose it is."""
    return f"value of {key} " + "." * size


@pytest.fixture
def filled(server: Memcached, protocol: str) -> Iterator[Client]:
    """A client of a server that holds a value under each of KEYS; some values do not fit in a reply buffer."""
    with Client([server.address], protocol=protocol) as client:
        for number, key in enumerate(KEYS):
            client.set(key, value_of(key, 100_000 if number % 10 == 0 else number))
        yield client


def check_get(client: Client, key: str) -> None:
    value = client.get(key)
    assert value is not None
    assert value.startswith(f"value of {key} "), (key, value[:40])


def check_get_multi(client: Client, keys: list[str]) -> None:
    values = client.get_multi(keys)
    assert list(values) == keys
    for key, value in values.items():
        assert value.startswith(f"value of {key} "), (key, value[:40])


# Threads


def test_threads_share_a_client(filled: Client) -> None:
    errors: list[BaseException] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        try:
            for number in range(300):
                key = chance.choice(KEYS)
                check_get(filled, key)
                if number % 5 == 0:
                    check_get_multi(filled, chance.sample(KEYS, 10))
                own = f"own:{seed}:{number}"
                assert filled.set(own, own) is True
                assert filled.get(own) == own
                assert filled.delete(own) == 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert filled.metrics()[0].connects <= 8


def test_servers_may_be_replaced_while_threads_work(servers: list[Memcached], protocol: str) -> None:
    addresses = [one.address for one in servers]
    errors: list[BaseException] = []
    done = threading.Event()
    with Client(addresses, protocol=protocol, errors="raise") as client:

        def work() -> None:
            try:
                while not done.is_set():
                    for key in KEYS[:10]:
                        client.set(key, value_of(key))
                        value = client.get(key)
                        assert value is None or value == value_of(key)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(100):
            client.set_servers(addresses[: number % 3 + 1])
            time.sleep(0.002)
        done.set()
        for thread in threads:
            thread.join()
    assert not errors


def test_tokens_counted_by_many_threads_lose_no_update(server: Memcached, protocol: str) -> None:
    with Client([server.address], protocol=protocol, errors="raise") as client:
        client.set("list", [])

        def work(name: int) -> None:
            for number in range(20):
                while True:
                    value, token = client.gets_with_token("list")
                    if client.cas("list", [*value, (name, number)], token=token):
                        break

        threads = [threading.Thread(target=work, args=(name,)) for name in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(client.get("list")) == [(name, number) for name in range(5) for number in range(20)]


# Forks


def test_parent_and_busy_child_read_their_own_values(filled: Client) -> None:
    filled.get(KEYS[0])
    children = []
    for seed in range(2):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                chance = random.Random(seed)
                for _ in range(800):
                    check_get(filled, chance.choice(KEYS))
                check_get_multi(filled, KEYS)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    chance = random.Random(99)
    for _ in range(800):
        check_get(filled, chance.choice(KEYS))
    check_get_multi(filled, KEYS)
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_child_works_although_threads_of_the_parent_were_in_the_middle_of_calls(filled: Client) -> None:
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            check_get_multi(filled, KEYS[:20])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    signal.alarm(60)
                    for key in KEYS:
                        check_get(filled, key)
                    filled.set_servers([f"127.0.0.1:{filled.servers[0].address[1]}"])
                    check_get(filled, KEYS[0])
                    filled.disconnect_all()
                    status = 0
                finally:
                    os._exit(status)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        done.set()
        for thread in threads:
            thread.join()


# Signals and exceptions


class InterruptionError(Exception):
    pass


def test_an_exception_from_a_signal_at_any_moment_leaves_the_next_call_right(filled: Client) -> None:
    struck = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal struck
        struck = True
        raise InterruptionError

    def work() -> None:
        while not struck:
            check_get(filled, chance.choice(KEYS))
            check_get_multi(filled, chance.sample(KEYS, 5))
            key = f"own:{chance.random()}"
            filled.set(key, key, time=60)
            assert filled.get(key) == key

    chance = random.Random(7)
    strikes = 0
    former = signal.signal(signal.SIGALRM, interrupt)
    try:
        begun = time.monotonic()
        while (took := time.monotonic() - begun) < 3 or (strikes <= 100 and took < 60):
            struck = False
            try:
                # Once: it strikes in the work and never in what follows.
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.00005, 0.002))
                work()
            except InterruptionError:
                strikes += 1
            check_get(filled, chance.choice(KEYS))
    finally:
        signal.signal(signal.SIGALRM, former)
    assert strikes > 100
    assert filled.metrics()[0].in_flight == 0


def test_large_replies_are_freed(filled: Client) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def rounds(count: int) -> None:
        for _ in range(count):
            check_get(filled, KEYS[0])
            check_get_multi(filled, KEYS[:2])

    rounds(50)
    before = resident()
    rounds(400)
    assert resident() - before < 20_000_000, "400 replies of 100 KB would be 40 MB"


def test_a_signal_handler_may_use_the_client_in_the_middle_of_a_call(filled: Client) -> None:
    calls = 0

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal calls
        calls += 1
        check_get(filled, KEYS[calls % len(KEYS)])

    former = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        begun = time.monotonic()
        number = 0
        while (took := time.monotonic() - begun) < 2 or (calls <= 100 and took < 60):
            number += 1
            check_get(filled, KEYS[number % len(KEYS)])
            check_get_multi(filled, KEYS[:7])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    assert calls > 100


def test_keyboard_interrupt_of_a_real_process_leaves_its_client_usable(server: Memcached, protocol: str) -> None:
    program = f"""
import signal, sys, cmemcache
# Who is started in the background of a shell is born deaf to it.
signal.signal(signal.SIGINT, signal.default_int_handler)
client = cmemcache.Client([{server.address!r}], protocol={protocol!r})
for number in range(20):
    client.set(f"key:{{number}}", f"value {{number}}")
print("ready", flush=True)
interrupts = 0
number = 0
while interrupts < 30:
    try:
        while True:
            number = (number + 1) % 20
            assert client.get(f"key:{{number}}") == f"value {{number}}"
    except KeyboardInterrupt:
        interrupts += 1
        for other in range(20):
            try:
                assert client.get(f"key:{{other}}") == f"value {{other}}"
            except KeyboardInterrupt:
                pass
        print(interrupts, flush=True)
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    chance = random.Random(3)
    end = time.monotonic() + 120
    while child.poll() is None and time.monotonic() < end:
        child.send_signal(signal.SIGINT)
        time.sleep(chance.uniform(0.005, 0.03))
    child.kill()
    _, errors = child.communicate()
    assert time.monotonic() < end, "the program did not come to its end"
    # The last interrupt may have come when the loop had ended.
    assert child.returncode == 0 or "AssertionError" not in errors, errors
    assert "AssertionError" not in errors


# Memory


def test_a_dropped_client_closes_its_connections(server: Memcached) -> None:
    def connections() -> int:
        answer = server.ask(b"stats\r\n", b"END\r\n")
        return int(answer.split(b"curr_connections ")[1].split()[0])

    clients = [Client([server.address]) for _ in range(10)]
    with_none = connections()
    for client in clients:
        client.set("key", 1)
    # Connections of earlier tests may end meanwhile.
    assert connections() >= 10
    gone = weakref.ref(clients[0])
    del client
    clients.clear()
    gc.collect()
    assert gone() is None
    deadline = time.monotonic() + 30
    while connections() > with_none and time.monotonic() < deadline:
        time.sleep(0.01)
    assert connections() <= with_none


def test_large_values_cross_whole(filled: Client) -> None:
    # Around the room that crossing.c has for a reply, of one key and of many.
    edges = [*range(16384 - 20, 16384 + 20), *range(65536 - 40, 65536 + 20)]
    sizes = [0, 1, *edges, 500_000, 1_000_000]
    chance = random.Random(5)
    for size in sizes:
        value = chance.randbytes(size)
        assert filled.set("sized", value) is True
        assert filled.get("sized") == value
        assert filled.get_multi(["sized", "missing"]) == {"sized": value}
    values = {f"many:{number}": chance.randbytes(number * 100) for number in range(100)}
    assert filled.set_multi(values) == []
    assert filled.get_multi(list(values)) == values


def test_two_clients_in_one_process_do_not_mix(server: Memcached, protocol: str) -> None:
    with (
        memcached() as other,
        Client([server.address], protocol=protocol) as one,
        cmemcache.StringClient([other.address], protocol=protocol, **PATIENT) as two,
    ):
        one.set("key", "one")
        two.set("key", "two")
        assert one.get("key") == "one"
        assert two.get("key") == b"two"
