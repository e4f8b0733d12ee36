"""The vectors of conformance/ that go through the public interface; those of the packed layout stand in test_packed.py."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import itertools
import json
import math
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import cmemcache
from cmemcache import _base, _errors
from servers import PATIENT, Memcached
from vectors import ROOT, bytes_of, each_vector, same, value_of, vectors

#: The class of each kind of error.
ERRORS = {case["name"]: getattr(cmemcache, case["python"]) for case in vectors("errors.json")}


@contextlib.contextmanager
def fails_with(kind: str) -> Iterator[pytest.ExceptionInfo[cmemcache.CacheError]]:
    with pytest.raises(ERRORS[kind]) as caught:
        yield caught
    assert type(caught.value) is ERRORS[kind]


@pytest.mark.parametrize("file", ["placement.json", "libmemcached.json", "rendezvous.json"])
def test_keys_belong_to_the_servers_that_the_vectors_say(file: str) -> None:
    def run(case: dict[str, Any]) -> None:
        servers = [(one["address"], one["weight"]) for one in case["servers"]]
        for placement, expected in case["server_index"].items():
            with cmemcache.StringClient(
                servers, placement=placement, failover="fail_fast", errors="raise", dead_retry=3600
            ) as client:
                # A server that is down is not asked, and the error of each of its keys names it.
                for server in client.servers:
                    server.mark_dead("so that it is not asked")
                with pytest.raises(cmemcache.BatchError) as caught:
                    client.get_multi(case["keys"])
                chosen = {key: error.server for key, error in caught.value.errors.items()}
                names = [str(server) for server in client.servers]
                assert chosen == {key: names[index] for key, index in zip(case["keys"], expected)}

    each_vector(file, run)


def test_server_strings_are_read_as_the_vectors_say() -> None:
    def run(case: dict[str, Any]) -> None:
        if "refused" in case:
            with fails_with("InvalidArgument") as caught:
                cmemcache.StringClient([case["text"]])
            assert case["refused"] in str(caught.value)
        else:
            assert str(cmemcache.StringClient([case["text"]]).servers[0]) == case["canonical"]

    each_vector("addresses.json", run)


def test_legal_keys_hold_values_and_every_operation_refuses_the_others(server: Memcached) -> None:
    def run(case: dict[str, Any]) -> None:
        options = {"key_prefix": case.get("prefix", ""), "binary_keys": case.get("binary", False)}
        key = bytes_of(case["key"])
        with cmemcache.StringClient([server.address], errors="raise", protocol="meta", **PATIENT, **options) as client:
            if "error" not in case:
                assert client.set(key, b"held")
                assert client.get(key) == b"held"
                assert client.get_multi([key]) == {key: b"held"}
                assert client.delete(key)
                return
            for operation in (
                lambda: client.get(key),
                lambda: client.set(key, b"x"),
                lambda: client.delete(key),
                lambda: client.incr(key),
                lambda: client.get_multi([key]),
            ):
                with fails_with(case["error"]):
                    operation()

    each_vector("keys.json", run)


def time_of(case: dict[str, Any]) -> Any:
    if "number" in case:
        return case["number"]
    if "moment" in case:
        return datetime.now(timezone.utc) + timedelta(seconds=case["moment"])
    return 0 if case["lifetime"] is None else timedelta(seconds=case["lifetime"])


def test_times_become_what_the_server_is_told(server: Memcached) -> None:
    with cmemcache.Client([server.address], errors="raise", protocol="meta") as client:

        def run(case: dict[str, Any]) -> None:
            if "error" in case:
                with fails_with(case["error"]):
                    client.set("refused", "x", time_of(case))
                return
            client.set("set", "x", time_of(case))
            client.set("touched", "x")
            client.touch("touched", time_of(case))
            for key in ("set", "touched"):
                found = client.metadata(key)
                if case["ttl"] == "gone":
                    assert found is None
                elif case["ttl"] is None:
                    assert found is not None
                    assert found.ttl is None
                else:
                    assert found is not None
                    assert found.ttl is not None
                    assert abs(found.ttl - case["ttl"]) <= 10

        each_vector("exptime.json", run)


def test_values_have_the_bytes_and_flags_of_the_vectors(server: Memcached) -> None:
    with cmemcache.Client([server.address], errors="raise", portable=True) as client:

        def run(case: dict[str, Any]) -> None:
            if "refused" in case:
                with fails_with(case["refused"]):
                    client.set("k", value_of(case["value"]))
                return
            if "writes" in case:
                client.set("k", value_of(case["value"]))
                stored = server.raw("k")
                assert stored is not None
                assert stored[1] == case["flags"]
                assert stored[0] in [bytes_of(form) for form in case["writes"]]
            for form in case.get("writes", [case.get("reads")]):
                server.put("k", bytes_of(form), case["flags"])
                if "error" in case:
                    read_refused(client, case)
                else:
                    check_value(client.get("k"), case)

        each_vector("values.json", run)


def check_value(value: Any, case: dict[str, Any]) -> None:
    expected = value_of(case["value"])
    assert same(value, expected), f"{value!r} is not {expected!r}"


def read_refused(client: cmemcache.Client, case: dict[str, Any]) -> None:
    with fails_with(case["error"]) as caught:
        client.get("k")
    if "writer" in case:
        message = str(caught.value)
        assert all(word in message for word in ("'k'", case["writer"], "StringClient")), message


def test_compression_is_as_the_vectors_say(server: Memcached) -> None:
    with cmemcache.Client([server.address], errors="raise", portable=True, server_max_value_length=0) as client:

        def run(case: dict[str, Any]) -> None:
            if "stream" in case:
                read_stream(server, case)
                return
            value = value_of(case["value"])
            client.set("k", value, min_compress_len=max(case["compress_from"] - 1, 0))
            stored = server.raw("k")
            assert stored is not None
            data, flags = stored
            assert bool(flags & cmemcache.FLAG_ZLIB) == case["compressed"]
            client.set("plain", value)
            plain = server.raw("plain")
            assert plain == ((zlib.decompress(data) if case["compressed"] else data), flags & ~cmemcache.FLAG_ZLIB)
            assert client.get("k") == value

        each_vector("compression.json", run)


def read_stream(server: Memcached, case: dict[str, Any]) -> None:
    server.put("k", base64.b64decode(case["stream"]), case["flags"])
    cap = case["cap"]
    with cmemcache.Client([server.address], errors="raise", max_decompressed_size=cap) as client:
        if "error" not in case:
            assert client.get("k") == value_of(case["value"])
            return
        with fails_with(case["error"]) as caught:
            client.get("k")
        assert all(word in str(caught.value) for word in ("'k'", str(cap), "max_decompressed_size"))


def test_signed_values_are_as_the_vectors_say(server: Memcached) -> None:
    def run(case: dict[str, Any]) -> None:
        key, keys = case["key"], [bytes_of(one) for one in case["signing_keys"]]
        server.put(key, bytes_of(case["stored"]), case["flags"])
        with cmemcache.Client([server.address], signing_key=keys) as client:
            if "error" in case:
                for read in (client.get, client.gets_with_token, lambda key: client.gat(key, 60)):
                    with fails_with(case["error"]) as caught:
                        read(key)
                    assert all(word in str(caught.value) for word in (repr(key), "signing_key", "delete it"))
                return
            value = client.get(key)
            with cmemcache.StringClient([server.address], **PATIENT) as plain:
                plain.set(key, bytes_of(case["value"]), flags=case["value_flags"])
            with cmemcache.Client([server.address]) as unsigned:
                assert same(value, unsigned.get(key))
            if case["writes"]:
                client.set(key, value, portable=case["value_flags"] == cmemcache.FLAG_PORTABLE)
                assert server.raw(key) == (bytes_of(case["stored"]), case["flags"])

    each_vector("signing.json", run)


@dataclasses.dataclass
class Record:
    name: str


SAMPLES = {
    "bytes": b"b",
    "text": "t",
    "integer": 1,
    "null": None,
    "boolean": True,
    "float": 0.5,
    "nan": math.nan,
    "list": [1],
    "map": {"a": 1},
    "record": Record("a"),
    "other": {1, 2},
}


def test_flags_are_those_of_the_registry(server: Memcached) -> None:
    def run(case: dict[str, Any]) -> None:
        if "flags" in case:
            assert getattr(cmemcache, case["name"]) == case["flags"]
            return
        for portable in (False, True):
            with cmemcache.Client([server.address], errors="raise", portable=portable) as client:
                expected = case["python_portable" if portable else "python"]
                if expected == "refused":
                    with fails_with("UnencodableValue"):
                        client.set("k", SAMPLES[case["type"]])
                    continue
                assert client.set("k", SAMPLES[case["type"]])
                stored = server.raw("k")
                assert stored is not None
                assert stored[1] == getattr(cmemcache, expected)

    each_vector("flags.json", run)


@pytest.mark.parametrize("portable", [False, True])
def test_one_call_may_be_portable_or_not_whatever_its_client_is(server: Memcached, portable: bool) -> None:
    with cmemcache.Client([server.address], errors="raise", portable=portable) as client:
        flags = {True: cmemcache.FLAG_PORTABLE, False: cmemcache.FLAG_PICKLE}
        for one in (True, False, None):
            client.set("k", [1], portable=one)
            assert server.raw("k")[1] == flags[portable if one is None else one]  # type: ignore[index]
            client.set_multi({"k": [1]}, portable=one)
            assert server.raw("k")[1] == flags[portable if one is None else one]  # type: ignore[index]


def test_kinds_of_errors_have_their_names_and_numbers() -> None:
    numbers = set()

    def run(case: dict[str, Any]) -> None:
        kind = getattr(cmemcache, case["python"])
        assert issubclass(kind, cmemcache.CacheError)
        assert case["python"] in cmemcache.__all__
        if "number" in case:
            numbers.add(case["number"])
            assert type(_errors.from_packed(case["number"], b"", 0)) is kind
            assert _errors._NAMES[case["name"]] is kind

    each_vector("errors.json", run)
    assert numbers == set(_errors._KINDS)


@pytest.mark.parametrize("kind", [cmemcache.Client, cmemcache.StringClient])
def test_options_have_their_defaults(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    opened = _base.generated.StringClient
    monkeypatch.setattr(
        _base.generated, "StringClient", lambda *arguments: told.append(arguments) or opened(*arguments)
    )
    client = kind(["127.0.0.1"])
    [([server], options)] = told

    def run(case: dict[str, Any]) -> None:
        name = case["name"]
        expected = case.get(f"python.{kind.__name__}", case["default"])
        if name == "weight":
            assert server.weight == expected
        elif name == "max_value_size" and kind is cmemcache.Client:
            # It is checked in Python, where the module's SERVER_MAX_VALUE_LENGTH has its say.
            assert client.server_max_value_length == expected
        elif name in ("protocol", "placement", "failover"):
            assert getattr(options, name).name.replace("_", "").lower() == expected.lower()
        elif name in ("ca", "certificate", "key", "server_name", "danger_accept_any_certificate"):
            assert getattr(cmemcache.TlsOptions(), name) == (None if expected == "none" else expected)
        elif expected == "none":
            assert getattr(options, name) is None
        elif name == "spin":
            assert getattr(options, name).is_AUTO() == (expected == "Auto")
        elif name == "key_prefix":
            assert getattr(options, name) == expected.encode()
        else:
            assert getattr(options, name) == expected

    each_vector("options.json", run)


def tables_of(document: str) -> list[list[list[str]]]:
    """The tables of a document: rows of cells, without heads and without code marks."""
    lines = (ROOT / document).read_text(encoding="utf-8").split("\n")
    rows = [
        [cell.strip() for cell in line.strip("|").replace("`", "").split("|")] if line[:1] == "|" else []
        for line in lines
    ]
    tables = [list(group) for filled, group in itertools.groupby(rows, bool) if filled]
    return [table[2:] for table in tables]


def test_the_registry_of_the_documents_is_that_of_the_vectors() -> None:
    constants, types = tables_of("docs/flags.md")
    cases = json.loads((ROOT / "conformance" / "flags.json").read_text(encoding="utf-8"))["cases"]
    numbers = {row[0]: int(row[1].split(" ")[0], 0) for row in constants}
    assert numbers == {case["name"]: case["flags"] for case in cases if "flags" in case}
    languages = ("python", "python_portable", "kotlin", "swift")
    assert types == [[case["name"], *(case[one] for one in languages)] for case in cases if "type" in case]
