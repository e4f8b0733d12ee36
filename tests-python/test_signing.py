"""Clients with a signing key: what they store, what they refuse to read, and what they refuse to do."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import cmemcache
from cmemcache import BatchError, Client, InvalidArgumentError, UnsupportedError, UntrustedValueError
from servers import Memcached

KEY = b"0123456789abcdef"
NEXT = b"fedcba9876543210"


class Loud:
    """Its pickle fails the test that unpickles it."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("it was unpickled",)


def test_every_operation_signs_and_verifies(server: Memcached, protocol: str) -> None:
    with Client([server.address], protocol=protocol, signing_key=KEY, errors="raise", key_prefix="app:") as client:
        value = {"a": [1, None, b"x"], "long": "text " * 100}
        assert client.set("k", value, min_compress_len=100) is True
        stored = server.raw("app:k")
        assert stored is not None
        assert stored[1] == cmemcache.FLAG_SIGNED
        assert client.get("k") == value
        assert client.gat("k", 60) == value
        found, token = client.gets_with_token("k")
        assert found == value
        assert client.cas("k", "changed", token=token) is True
        assert client.add("k", 1) is False
        assert client.replace("k", "replaced") is True
        assert client.get("k") == "replaced"
        assert client.set_multi({"a": 1, "b": "two", "c": None}, key_prefix="pre:") == []
        assert client.get_multi(["a", "b", "c", "d"], key_prefix="pre:") == {"a": 1, "b": "two", "c": None}
        assert client.get("pre:b") == "two"
        assert client.touch("k", 60) == 1
        assert client.delete("k") == 1
        assert client.get("k", "default") == "default"


def test_a_quiet_client_raises_what_is_not_signed_and_unpickles_nothing(server: Memcached) -> None:
    server.put("k", pickle.dumps(Loud()), cmemcache.FLAG_PICKLE)
    with Client([server.address], signing_key=KEY) as client:
        with pytest.raises(UntrustedValueError, match=r"'k'.*not signed.*signing_key"):
            client.get("k", "default")
        client.set("good", 1)
        with pytest.raises(BatchError) as caught:
            client.get_multi(["good", "k", "missing"])
        assert caught.value.results == {"good": 1}
        assert {key: type(error) for key, error in caught.value.errors.items()} == {"k": UntrustedValueError}
        assert "'k'" in str(caught.value)


def test_a_value_cannot_be_moved_to_another_key(server: Memcached) -> None:
    with Client([server.address], signing_key=KEY, key_prefix="a:") as client:
        client.set("k", "mine")
        for other in ("a:j", "b:k", "k"):
            server.put(other, *server.raw("a:k") or (b"", 0))
        with pytest.raises(UntrustedValueError):
            client.get("j")
    with Client([server.address], signing_key=KEY, key_prefix="b:") as client, pytest.raises(UntrustedValueError):
        client.get("k")
    with Client([server.address], signing_key=KEY) as client:
        assert client.get("a:k") == "mine"
        with pytest.raises(UntrustedValueError):
            client.get("k")


def test_keys_are_changed_without_losing_what_is_stored(server: Memcached) -> None:
    def client(*keys: bytes) -> Client:
        return Client([server.address], signing_key=keys)

    with client(KEY) as old, client(KEY, NEXT) as ready, client(NEXT, KEY) as changed, client(NEXT) as new:
        old.set("k", "old")
        assert [one.get("k") for one in (old, ready, changed)] == ["old"] * 3
        with pytest.raises(UntrustedValueError, match="signing_key"):
            new.get("k")
        changed.set("k", "new")
        assert [one.get("k") for one in (ready, changed, new)] == ["new"] * 3
        with pytest.raises(UntrustedValueError):
            old.get("k")


def test_what_changes_a_value_in_the_server_is_refused(server: Memcached) -> None:
    with Client([server.address], signing_key=KEY) as client:
        client.set("k", 1)
        before = server.raw("k")
        calls = {
            "incr": lambda: client.incr("k"),
            "decr": lambda: client.decr("k", 2, initial=3),
            "append": lambda: client.append("k", "x"),
            "prepend": lambda: client.prepend("k", "x"),
        }
        for name, call in calls.items():
            with pytest.raises(UnsupportedError, match=f"{name}.*signing_key"):
                call()
        assert server.raw("k") == before
        assert client.get("k") == 1


def test_clients_without_the_key_refuse_signed_values(server: Memcached) -> None:
    with Client([server.address], signing_key=KEY) as client:
        client.set("k", "signed")
    for dialect in cmemcache.Dialect:
        with (
            Client([server.address], dialect=dialect, errors="raise") as plain,
            pytest.raises(cmemcache.ForeignValueError, match="signing_key"),
        ):
            plain.get("k")


def test_a_serializer_sees_only_what_was_signed(server: Memcached) -> None:
    class Texts:
        def dumps(self, value: Any) -> tuple[bytes, int]:
            return value.encode(), 77

        def loads(self, data: bytes, flags: int) -> Any:
            assert flags == 77
            return data.decode()

    with Client([server.address], signing_key=KEY, serializer=Texts()) as client:
        client.set("k", "text")
        assert client.get("k") == "text"
        server.put("k", b"text", 77)
        with pytest.raises(UntrustedValueError):
            client.get("k")


def test_the_signature_counts_for_the_largest_value(server: Memcached) -> None:
    with Client([server.address], signing_key=KEY, errors="raise", server_max_value_length=136) as client:
        assert client.set("k", "x" * 100)
        with pytest.raises(cmemcache.ValueTooLargeError):
            client.set("k", "x" * 101)


def test_signing_keys_that_can_be_guessed_or_are_none_are_refused() -> None:
    bad: list[tuple[Any, type[Exception], str]] = [
        (b"", InvalidArgumentError, "0 bytes is shorter than 16"),
        (KEY[1:], InvalidArgumentError, "15 bytes is shorter than 16"),
        ([], InvalidArgumentError, "empty list"),
        ([KEY, b"short"], InvalidArgumentError, "5 bytes"),
        ("0123456789abcdef", TypeError, "not str"),
        ([KEY, None], TypeError, "not NoneType"),
    ]
    for keys, error, words in bad:
        with pytest.raises(error, match=words):
            Client(["127.0.0.1:1"], signing_key=keys)
