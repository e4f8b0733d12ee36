"""The packed layout of core/src/ffi/packed.rs, byte by byte, and the library's answers to what is malformed."""

from __future__ import annotations

import contextlib
import ctypes
import random
import struct
from typing import Any

import pytest

import cmemcache
from cmemcache import Client, InvalidArgumentError, _native, _packed
from cmemcache._keys import KeyRules, Requests
from servers import PATIENT, Memcached
from vectors import each_vector

REQUESTS = Requests(KeyRules())


def test_single_requests_are_laid_out_as_described() -> None:
    assert REQUESTS.single(_packed.GET, "key") == (b"\x02\x01\0\0\0\0\0\0", "key")
    assert REQUESTS.single(_packed.DELETE, b"key", 1.5) == (b"\x02\x0b\0\0\xdc\x05\0\0", b"key")
    expected = b"\x02\x01\x01\0\0\0\0\0" + struct.pack("<q", 7)
    assert REQUESTS.single(_packed.GET, (7, "key")) == (expected, b"key")
    fields = _packed.store_fields(3, -1)
    expected = b"\x02\x05\0\0\0\0\0\0" + struct.pack("<Iq", 3, -1)
    assert REQUESTS.single(_packed.SET, "key", None, fields) == (expected, "key")
    fields = _packed.cas_fields(3, 60, 2**64 - 1)
    expected = b"\x02\x0a\0\0\0\0\0\0" + struct.pack("<IqQ", 3, 60, 2**64 - 1)
    assert REQUESTS.single(_packed.CAS, "key", None, fields) == (expected, "key")
    fields = _packed.arith_fields(1, 2, 3)
    expected = b"\x02\x0c\x02\0\0\0\0\0" + struct.pack("<QQq", 1, 2, 3)
    assert REQUESTS.single(_packed.INCR, "key", None, fields, _packed.HAS_INITIAL) == (expected, "key")
    expected = b"\x02\x04\x01\0\x01\0\0\0" + struct.pack("<qq", 60, -9)
    assert REQUESTS.single(_packed.GATS, (-9, "key"), 0.001, _packed.exptime_field(60)) == (expected, b"key")


def test_batch_requests_are_laid_out_as_described() -> None:
    request = REQUESTS.batch(_packed.GET_MULTI, ["a", "bb", "ü"], b"", None)
    assert request == b"\x02\x10\0\0\0\0\0\0" + struct.pack("<I", 3) + "a\nbb\nü".encode()
    assert REQUESTS.batch(_packed.GET_MULTI, ["a", b"bb", "ü"], b"", None) == request
    request = REQUESTS.batch(_packed.GET_MULTI, ["a", "bb"], b"p:", None)
    assert request == b"\x02\x10\0\0\0\0\0\0" + struct.pack("<I", 2) + b"p:a\np:bb"
    assert REQUESTS.batch(_packed.GET_MULTI, [], b"p:", None) == b"\x02\x10\0\0\0\0\0\0\0\0\0\0"
    request = REQUESTS.batch(_packed.DELETE_MULTI, [(5, "a"), (6, "b")], b"p:", 2)
    expected = b"\x02\x13\x01\0\xd0\x07\0\0" + struct.pack("<Iqq", 2, 5, 6) + b"p:a\np:b"
    assert request == expected
    columns = struct.pack("<IIII", 1, 2, 16, 0)
    request = REQUESTS.batch(_packed.SET_MULTI, ["a", "bb"], b"", None, struct.pack("<q", 60), columns)
    assert request == b"\x02\x12\0\0\0\0\0\0" + struct.pack("<Iq", 2, 60) + columns + b"a\nbb"


def test_binary_keys_of_a_batch_stand_behind_their_lengths() -> None:
    requests = Requests(KeyRules(binary=True))
    request = requests.batch(_packed.GET_MULTI, [b"a\nb", "c"], b"p", None)
    assert request == b"\x02\x10\x04\0\0\0\0\0" + struct.pack("<III", 2, 4, 2) + b"pa\nbpc"
    request = requests.batch(_packed.GET_MULTI, [(1, b"\n")], b"", None)
    assert request == b"\x02\x10\x05\0\0\0\0\0" + struct.pack("<IqI", 1, 1, 1) + b"\n"


def test_a_newline_in_a_key_never_makes_two_of_one(server: Memcached) -> None:
    with cmemcache.StringClient([server.address], **PATIENT) as client:
        client.set_multi({"a": b"1", "b": b"2"})
        for keys in (["a\nb"], ["a\nb", "c"], ["a", "b\n"], ["\n"], ["a", "b", b"a\n"]):
            with pytest.raises(cmemcache.KeyCharacterError):
                client.get_multi(keys)
            with pytest.raises(cmemcache.KeyCharacterError):
                client.delete_multi(keys)
            with pytest.raises(cmemcache.KeyCharacterError):
                client.set_multi(dict.fromkeys(keys, b"x"))
        assert client.get_multi(["a", "b"]) == {"a": b"1", "b": b"2"}


def test_errors_of_entries_carry_server_and_message() -> None:
    name, message = b"host:1", b"host:1: refused"
    flags = struct.pack("<IIII", 5, len(name) | 2 << 16 | 1 << 24, 0, 0)
    batch = _packed.Batch(bytes([0, 70, 1, 66]), flags, b"", [b"value", name + message, b"", b"bad"])
    errors = batch.errors(["a", "b", "c", "d"])
    assert set(errors) == {"b", "d"}
    assert isinstance(errors["b"], cmemcache.ServerDownError)
    assert (errors["b"].server, str(errors["b"])) == ("host:1", "host:1: refused")
    assert (errors["b"].phase, errors["b"].outcome_unknown) == ("connect", True)
    assert isinstance(errors["d"], InvalidArgumentError)
    assert errors["d"].server is None


def test_every_error_kind_has_a_class_of_its_name(server: Memcached) -> None:
    kinds = {status: type(cmemcache._errors.from_packed(status, b"", 0)) for status in range(64, 78)}
    assert len(set(kinds.values())) == 14
    for kind in kinds.values():
        name = kind.__name__.removesuffix("Error") if kind is not cmemcache.ServerError else "ServerError"
        variant = getattr(_native.generated.CacheError, name)
        arguments = {"detail": "d", "server": "s", "phase": "read", "outcome_unknown": True}
        names = variant.__init__.__code__.co_varnames[1 : variant.__init__.__code__.co_argcount]
        translated = cmemcache._errors.from_generated(variant(**{name: arguments[name] for name in names}))
        assert type(translated) is kind
        assert str(translated) == "d"
    assert type(cmemcache._errors.from_packed(200, b"", 0)) is cmemcache.InternalError


# The vectors that every language passes


_Call = ctypes.CFUNCTYPE(ctypes.c_uint64, *[ctypes.c_uint64] * 7, ctypes.c_void_p)
_Release = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_void_p)


class Script:
    """Takes the library's place while it is entered: records what is sent, and answers with what is given."""

    def __init__(self, reply: bytes) -> None:
        self._reply = reply
        self._functions = (_Call(self._call), _Release(self._release))
        self.sent: tuple[bytes, bytes] | None = None
        self.released: list[int] = []

    def __enter__(self) -> Script:
        addresses = [ctypes.cast(function, ctypes.c_void_p).value for function in self._functions]
        _native.crossing.bind(*addresses, 0, cmemcache._errors.from_packed)
        return self

    def __exit__(self, *error: object) -> None:
        _native.bind()

    def _call(
        self, client: int, request: int, length: int, value: int, size: int, reply: int, capacity: int, _: int
    ) -> int:
        self.sent = (ctypes.string_at(request, length), ctypes.string_at(value, size) if value else b"")
        assert len(self._reply) <= capacity
        ctypes.memmove(reply, self._reply, len(self._reply))
        return len(self._reply)

    def _release(self, token: int, _: int) -> None:
        self.released.append(token)


def reply_head(count: int) -> bytes:
    return struct.pack("<BBHIQ", 0, 0, 0, count, 0)


@pytest.mark.parametrize("with_cas", [False, True])
def test_batch_replies_are_read_by_columns(with_cas: bool) -> None:
    chance = random.Random(1)
    for count in (0, 1, 2, 100):
        statuses = bytes(chance.choice([0, 0, 1, 70]) for _ in range(count))
        flags = tuple(chance.randrange(2**32) for _ in range(count))
        tokens = tuple(chance.randrange(2**64) for _ in range(count)) if with_cas else ()
        values = [chance.randbytes(chance.randrange(300)) for _ in range(count)]
        payload = (
            statuses
            + struct.pack(f"<{count}I", *flags)
            + struct.pack(f"<{len(tokens)}Q", *tokens)
            + struct.pack(f"<{count}I", *map(len, values))
            + b"".join(values)
        )
        with Script(reply_head(count) + payload):
            batch = _packed.call_batch(0, b"", None, count, with_cas=with_cas)
        assert (batch.statuses, batch.flags, batch.cas, batch.values) == (statuses, flags, tokens, values)
        assert batch.complete == (set(statuses) <= {0})


MALFORMED_REPLIES = {
    "nothing": b"",
    "half a head": bytes(15),
    "half the place of a kept payload": b"\0\1" + bytes(30),
    "a row too few": struct.pack("<BBHIQ", 0, 0, 0, 1, 0) + bytes(18),
    "no room for the rows": struct.pack("<BBHIQ", 0, 0, 0, 2, 0) + bytes(17),
    "values that end early": struct.pack("<BBHIQ", 0, 0, 0, 2, 0) + bytes(10) + struct.pack("<II", 2, 1) + b"ab",
    "a value longer than all": struct.pack("<BBHIQ", 0, 0, 0, 2, 0)
    + bytes(10)
    + struct.pack("<II", 2**32 - 1, 1)
    + b"ab",
    "values that end late": struct.pack("<BBHIQ", 0, 0, 0, 2, 0) + bytes(10) + struct.pack("<II", 1, 1) + b"abc",
}


@pytest.mark.parametrize("reply", MALFORMED_REPLIES.values(), ids=MALFORMED_REPLIES)
def test_malformed_replies_are_internal_errors(reply: bytes) -> None:
    with Script(reply), pytest.raises(cmemcache.InternalError):
        _packed.call_batch(0, b"", None, 2)
    if len(reply) < 16 or reply[1]:
        with Script(reply), pytest.raises(cmemcache.InternalError):
            _packed.read(0, b"", "", None)


def test_a_kept_payload_is_read_where_it_stands_and_released() -> None:
    payload = ctypes.create_string_buffer(b"x" * 70_000, 70_000)
    place = struct.pack("<QQQ", ctypes.addressof(payload), 70_000, 4711)
    script = Script(struct.pack("<BBHIQ", 0, 1, 0, 7, 9) + place)
    with script:
        assert _packed.read(0, b"", "key", None) == (payload.raw, 7, 9)
    assert script.released == [4711]


def test_arguments_that_are_not_what_they_should_be_are_refused() -> None:
    script = Script(reply_head(0))
    with script:
        for arguments in [(), (0, b"", "", None, 0), (-1, b"", "", None), (2**64, b"", "", None), (0, "", "", None)]:
            with pytest.raises((TypeError, OverflowError)):
                _packed.read(*arguments)  # type: ignore[arg-type]
        for arguments in [(0, b"", 1, None), (0, b"", None, None), (0, b"", "", "value"), ("", b"", "", None)]:
            with pytest.raises(TypeError):
                _packed.call(*arguments)  # type: ignore[arg-type]
        for arguments in [(), (0, b"", None, -1, False), (0, b"", None, "1", False), (0, None, None, 1, False)]:
            with pytest.raises((TypeError, OverflowError)):
                _native.crossing.call_batch(*arguments)
        with pytest.raises(UnicodeEncodeError):
            _packed.call(0, b"", "\ud800", None)
    assert script.sent is None


def number(case: dict[str, Any], name: str) -> int:
    return int(case.get(name, 0))


def ask(client: cmemcache.StringClient, case: dict[str, Any]) -> Any:
    """Calls the method that a vector names, with its arguments."""
    name, key, value = case["operation"], case.get("key"), case.get("value")
    timeout = number(case, "timeout") / 1000 or None
    time, flags = number(case, "exptime"), number(case, "flags")
    method = getattr(client, name)
    if name in ("gat", "gats", "touch"):
        return method(key, time, timeout=timeout)
    if name in ("set", "add", "replace"):
        return method(key, value, time, flags, timeout=timeout)
    if name in ("append", "prepend"):
        return method(key, value, timeout=timeout)
    if name == "cas":
        return method(key, value, number(case, "cas"), time, flags, timeout=timeout)
    if name in ("incr", "decr"):
        initial = number(case, "initial") if "initial" in case else None
        return method(key, number(case, "delta"), initial=initial, time=time, timeout=timeout)
    if name == "set_multi":
        # The flags of each entry are Client's to choose; StringClient has one for all.
        keys = [one["key"] for one in case["entries"]]
        values = [one["value"].encode() for one in case["entries"]]
        flags = b"".join(_packed.flags_field(one["flags"]) for one in case["entries"])
        batch = client._store_batch(keys, values, flags, time, "", timeout)
        return {key: not status for key, status in zip(keys, batch.statuses)}, batch.errors(keys)
    if name in ("get_multi", "delete_multi", "gets_multi"):
        return method(case["keys"], timeout=timeout)
    return client.getflags(key, timeout=timeout) if name == "get" else method(key, timeout=timeout)


def matches(case: dict[str, Any], result: Any, expected: dict[str, Any]) -> bool:
    """Whether the method's result is the one that a vector expects."""
    if "item" in expected:
        item = expected["item"]
        plain = (item["value"].encode(), item["flags"])
        if case["operation"] in ("gets", "gats", "gets_multi"):
            return bool(result == (*plain, int(item["cas"])))
        return bool(result == (plain if isinstance(result, tuple) else plain[0]))
    if "miss" in expected:
        return result is None
    if "number" in expected:
        return bool(result == int(expected["number"]))
    if "done" in expected:
        return bool(result is expected["done"])
    outcomes = {"stored": True, "not_stored": False, "exists": False, "not_found": None}
    return bool(result is outcomes[expected["outcome"]])


def same_error(error: cmemcache.CacheError, expected: dict[str, Any]) -> bool:
    kinds = {kind: status for status, kind in cmemcache._errors._KINDS.items()}
    known = kinds.get(type(error), expected["kind"])
    found = (known, error.detail, error.server, error.phase, error.outcome_unknown)
    return bool(found == tuple(expected[name] for name in ("kind", "message", "server", "phase", "outcome_unknown")))


def test_vectors_of_the_packed_layout() -> None:
    def run(case: dict[str, Any]) -> None:
        script = Script(bytes.fromhex(case["reply"]))
        with cmemcache.StringClient(["127.0.0.1:1"], errors="raise") as client, script:
            exchange(client, case, case["expect"])
        assert script.sent == (bytes.fromhex(case["request"]), bytes.fromhex(case["payload"]))

    each_vector("packed.json", run)


def exchange(client: cmemcache.StringClient, case: dict[str, Any], expected: dict[str, Any]) -> None:
    if "malformed" in expected:
        with pytest.raises(cmemcache.InternalError):
            ask(client, case)
    elif "error" in expected:
        with pytest.raises(cmemcache.CacheError) as caught:
            ask(client, case)
        assert same_error(caught.value, expected["error"])
    elif "entries" in expected:
        check_batch(client, case, expected["entries"])
    else:
        assert matches(case, ask(client, case), expected)


def check_batch(client: cmemcache.StringClient, case: dict[str, Any], entries: list[dict[str, Any]]) -> None:
    keys = case["keys"] if "keys" in case else [one["key"] for one in case["entries"]]
    wrong = {key: entry["error"] for key, entry in zip(keys, entries) if "error" in entry}
    try:
        answer = ask(client, case)
        results, errors = answer if isinstance(answer, tuple) else (answer, {})
    except cmemcache.BatchError as error:
        results, errors = error.results, error.errors
    assert set(errors) == set(wrong)
    assert all(same_error(errors[key], wrong[key]) for key in wrong)
    for key, entry in zip(keys, entries):
        assert key in wrong or matches(case, results.get(key), entry)


# The library


def call(client: Client, request: bytes, value: bytes | None = None) -> tuple[int, int]:
    return _packed.call(client._handle, request, b"", value)


MALFORMED = [
    b"",
    b"\x02",
    b"\x02\x01\0\0\0\0\0",
    b"\x01\x01\0\0\0\0\0\0key",
    b"\x02\x00\0\0\0\0\0\0key",
    b"\x02\x0f\0\0\0\0\0\0key",
    b"\x02\xff\0\0\0\0\0\0key",
    b"\x02\x01\xff\xff\0\0\0\0key",
    b"\x02\x01\x01\0\0\0\0\0key",
    b"\x02\x05\0\0\0\0\0\0key",
    b"\x02\x0c\0\0\0\0\0\0short",
    b"\x02\x01\0\0\xff\xff\xff\xffkey",
    b"\x02\x10\x04\0\0\0\0\0",
    b"\x02\x10\x04\0\0\0\0\0\xff\xff\xff\xff",
    b"\x02\x10\x04\0\0\0\0\0\x02\0\0\0\x01\0\0\0",
    b"\x02\x10\x04\0\0\0\0\0\x01\0\0\0\xff\xff\xff\xffkey",
    b"\x02\x10\x04\0\0\0\0\0\x01\0\0\0\x02\0\0\0key",
    b"\x02\x12\x04\0\0\0\0\0\x01\0\0\0" + b"\0" * 8 + b"\x01\0\0\0\xff\xff\xff\xff\0\0\0\0k",
]


@pytest.mark.parametrize("request_bytes", MALFORMED, ids=lambda request: request[:14].hex())
def test_malformed_requests_are_errors(request_bytes: bytes, server: Memcached) -> None:
    with Client([server.address]) as client:
        with pytest.raises(cmemcache.CacheError) as caught:
            call(client, request_bytes, b"v")
        assert not isinstance(caught.value, (cmemcache.InternalError, cmemcache.UnavailableError))
        assert client.set("key", "value") is True
        assert client.get("key") == "value"


def test_random_requests_never_harm_the_process(server: Memcached) -> None:
    chance = random.Random(11)
    with Client([server.address]) as client:
        for number in range(3000):
            operation = chance.randrange(0, 24)
            body = chance.randbytes(chance.randrange(40))
            if number % 2:
                body = struct.pack("<II", chance.randrange(4), chance.randrange(12)) + body
            # Time-outs stay at the client's.
            request = struct.pack("<BBHI", 2, operation, chance.choice([0, 0, 1, 2, 3, 4, 5]), 0) + body
            value = chance.choice([None, b"", b"value"])
            with contextlib.suppress(cmemcache.InvalidInputError, cmemcache.NotNumericError):
                call(client, request, value)
        assert client.set("key", "value") is True
        assert client.get("key") == "value"


def test_handles_that_are_none_of_a_client_are_closed_clients(server: Memcached) -> None:
    client = Client([server.address])
    handle = client._handle
    client.close()
    for other in (handle, 0, 1, 2**32, 2**64 - 1):
        with pytest.raises(cmemcache.ClosedError):
            _packed.read(other, _packed.GET_HEAD, "key", None)


def test_a_panic_inside_the_library_would_be_an_internal_error() -> None:
    """The path is there for a defect that no test knows: a call that wrote nothing, and its status."""
    generated = _native.generated
    message = generated._UniffiFfiConverterString.lower("index out of bounds")

    def panic(*arguments: int) -> int:
        status = ctypes.cast(arguments[-1], ctypes.POINTER(generated._UniffiRustCallStatus)).contents
        status.code = 2
        status.error_buf = message
        return 0

    function = _Call(panic)
    library = generated._UniffiLib
    release, free = (
        ctypes.cast(library[name], ctypes.c_void_p).value
        for name in ("uniffi_cmemcache_fn_func_packed_release", "ffi_cmemcache_rustbuffer_free")
    )
    address = ctypes.cast(function, ctypes.c_void_p).value
    _native.crossing.bind(address, release, free, cmemcache._errors.from_packed)
    try:
        with pytest.raises(cmemcache.InternalError, match="index out of bounds"):
            _packed.read(0, _packed.GET_HEAD, "key", None)
    finally:
        _native.bind()
