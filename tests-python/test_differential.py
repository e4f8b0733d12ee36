"""The same random operations on python-memcached and on Client, each with servers of its own: every result is compared.

What python-memcached does wrong (docs/compatibility.md) is left out: it would put its own connection out of step.
CMEMCACHE_TEST_SEED and CMEMCACHE_TEST_STEPS choose another run and a longer one.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import memcache
import pytest

from cmemcache import Client
from servers import memcached

SEED = int(os.environ.get("CMEMCACHE_TEST_SEED", "20240607"))
STEPS = int(os.environ.get("CMEMCACHE_TEST_STEPS", "4000"))

KEYS: list[Any] = ["a", b"b", "ключ", "k" * 250, "x:y:z", (1, "routed"), (5, b"too"), (2**33, "far"), "7"]
# Other objects are keys in batches only.
BATCH_KEYS: list[Any] = [*KEYS, 42, 3.5, 2**70, (3, 99)]
# Values under these are only ever bytes and text, so that what is appended stays readable.
TEXT_KEYS: list[Any] = ["text:1", "text:2", (4, "text:3")]
BAD_KEYS: list[Any] = [None, "", b"", "k" * 251, "two words", "a\x7f", "a\0", b"\n"]
BAD_KEYS_OF_ONE: list[Any] = [*BAD_KEYS, 5, 1.5, (1, None), (1, 5), (1, "")]
TEXTS: list[Any] = [b"", b"bytes", "", "text", "üñí", "99", "0", "18446744073709551615", "long" * 400, "x" * 100_000]
VALUES: list[Any] = [
    *TEXTS,
    *(0, 1, 12345678901234567890, -5, 2**64 - 1, 2**70, True, False, None, 1.5),
    *([1, "two"], {"a": {1: None}}, (1, 2), frozenset({1}), ["long"] * 300),
]
TOO_LARGE = b"too large" * 130_000
DELTAS: list[Any] = [1, 1, 0, 5, 2**63, 2**64 - 1, "7", -1, "x"]


class Twins:
    """Two clients that are given the same operations."""

    def __init__(self, ours: Client, theirs: Any, chance: random.Random) -> None:
        self._ours = ours
        self._theirs = theirs
        self._chance = chance
        self._steps: list[Callable[[], None]] = [
            *[self.read] * 6,
            *[self.store] * 5,
            *[self.extend] * 2,
            *[self.count] * 3,
            *[self.remove] * 2,
            *[self.get_multi] * 3,
            *[self.set_multi] * 2,
            *[self.delete_multi] * 1,
            *[self.use_bad_key] * 1,
        ]

    def step(self, number: int) -> None:
        if number % 500 == 499:
            self._both("flush_all")
        if number % 300 == 299:
            self._both(self._chance.choice(["disconnect_all", "reset_cas", "forget_dead_hosts"]))
        self._chance.choice(self._steps)()

    def read(self) -> None:
        key = self._chance.choice(KEYS + TEXT_KEYS)
        if self._chance.random() < 0.5:
            self._both("get", key, *self._chance.choice([(), ("default",)]))
        else:
            self._both("gets", key)

    def store(self) -> None:
        name = self._chance.choice(["set", "set", "add", "replace", "cas", "cas"])
        key = self._chance.choice(KEYS + TEXT_KEYS)
        if isinstance(key, tuple) and name == "cas":
            # There cas without a token forgets the hash of a (hash, key) tuple and stores on another server.
            name = "set"
        value = self._chance.choice(TEXTS if key in TEXT_KEYS else [*VALUES, TOO_LARGE])
        compress = 0 if key in TEXT_KEYS else self._chance.choice([0, 0, 10, 1000])
        self._both(name, key, value, self._time(), compress)

    def extend(self) -> None:
        name = self._chance.choice(["append", "prepend"])
        self._both(name, self._chance.choice(TEXT_KEYS), self._chance.choice([b"1", "2", 3]))

    def count(self) -> None:
        name = self._chance.choice(["incr", "decr"])
        self._both(name, self._chance.choice(KEYS + TEXT_KEYS), self._chance.choice(DELTAS))

    def remove(self) -> None:
        key = self._chance.choice(KEYS + TEXT_KEYS)
        if self._chance.random() < 0.5:
            self._both("delete", key)
        else:
            self._both("touch", key, self._chance.choice([0, 100, -1]))

    def get_multi(self) -> None:
        self._both("get_multi", self._some_keys(), self._prefix())

    def set_multi(self) -> None:
        mapping = {key: self._chance.choice(VALUES) for key in self._some_keys()}
        self._both("set_multi", mapping, self._time(), self._prefix(), self._chance.choice([0, 10]))

    def delete_multi(self) -> None:
        self._both("delete_multi", self._some_keys(), None, self._prefix())

    def use_bad_key(self) -> None:
        key = self._chance.choice(BAD_KEYS_OF_ONE)
        self._both(self._chance.choice(["get", "gets", "delete", "touch", "incr", "decr"]), key)
        self._both(self._chance.choice(["set", "add", "replace", "append", "prepend", "cas"]), key, "value")
        bad, prefix = self._chance.choice(BAD_KEYS), self._prefix()
        self._both("get_multi", ["a", bad, "b"], prefix)
        self._both("set_multi", {"a": 1, bad: 2}, 0, prefix)
        self._both("delete_multi", [bad], None, prefix)

    def _time(self) -> Any:
        return self._chance.choice([0, 0, 0, 100, 1000.5, -1])

    def _prefix(self) -> Any:
        return self._chance.choice(["", "", b"", "p:", b"q:"]) if self._chance.random() < 0.5 else ""

    def _some_keys(self) -> list[Any]:
        # A prefix would make the longest key too long, which is tested elsewhere.
        return [key for key in self._chance.sample(BATCH_KEYS, 6) if key != "k" * 250]

    def _both(self, name: str, *arguments: Any) -> None:
        ours = _outcome(getattr(self._ours, name), arguments)
        theirs = _outcome(getattr(self._theirs, name), arguments)
        assert ours == theirs, (f"CMEMCACHE_TEST_SEED={SEED}", name, arguments)


def _outcome(call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    try:
        result = call(*arguments)
    except Exception as error:
        return _error_name(error)
    if isinstance(result, dict):
        return {key: (type(value), value) for key, value in result.items()}
    if isinstance(result, list):
        return sorted(map(repr, result))
    # True, 1 and False, 0 are told apart nowhere in the contract but in values.
    return result if result in (0, 1) and call.__name__ not in ("get", "gets") else (type(result), result)


def _error_name(error: Exception) -> str:
    """The contract's name of an error: that of the class nested in the client, or of the built-in one."""
    for client in (Client, memcache.Client):
        for name in dir(client):
            if name.startswith("MemcachedKey") and type(error) is getattr(client, name):
                return name
    return "ValueError" if isinstance(error, ValueError) else repr(error)


@pytest.mark.parametrize("options", [{}, {"pickleProtocol": 4, "cache_cas": True}], ids=["defaults", "cache_cas"])
def test_every_result_is_that_of_python_memcached(protocol: str, options: dict[str, Any]) -> None:
    with memcached() as one, memcached() as two, memcached() as three, memcached() as four:
        theirs = memcache.Client([one.address, (two.address, 2)], **options)
        with Client([three.address, (four.address, 2)], protocol=protocol, **options) as ours:
            twins = Twins(ours, theirs, random.Random(SEED))
            for number in range(STEPS):
                twins.step(number)
            assert all(server.deaduntil == 0 for server in theirs.servers)
