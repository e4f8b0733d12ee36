"""What happens when something is wrong: with the servers, with the values, with what is stored."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable

import pytest

import cmemcache
from cmemcache import Client
from servers import Listener, Memcached, free_port, listener, memcached

MakeClient = Callable[..., Client]

OPERATIONS: dict[str, tuple[Callable[[Client], object], object]] = {
    "get": (lambda client: client.get("key", "default"), "default"),
    "gets": (lambda client: client.gets("key"), None),
    "gat": (lambda client: client.gat("key", 1), None),
    "set": (lambda client: client.set("key", 1), 0),
    "add": (lambda client: client.add("key", 1), 0),
    "replace": (lambda client: client.replace("key", 1), 0),
    "append": (lambda client: client.append("key", 1), 0),
    "prepend": (lambda client: client.prepend("key", 1), 0),
    "cas": (lambda client: client.cas("key", 1, token=5), 0),
    "delete": (lambda client: client.delete("key"), 0),
    "touch": (lambda client: client.touch("key", 1), 0),
    "incr": (lambda client: client.incr("key"), None),
    "decr": (lambda client: client.decr("key"), None),
    "get_multi": (lambda client: client.get_multi(["a", "b"]), {}),
    "set_multi": (lambda client: client.set_multi({"a": 1, "b": 2}), ["a", "b"]),
}


def single_error(caught: pytest.ExceptionInfo[cmemcache.CacheError]) -> cmemcache.CacheError:
    """The error of an operation, or of the first key of a batch."""
    error = caught.value
    return next(iter(error.errors.values())) if isinstance(error, cmemcache.BatchError) else error


# Nothing listening


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_port_where_nothing_listens_fails_quietly_and_at_once(name: str, make: MakeClient) -> None:
    call, expected = OPERATIONS[name]
    client = make([f"127.0.0.1:{free_port()}"], socket_timeout=10)
    began = time.monotonic()
    assert call(client) == expected
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_port_where_nothing_listens_is_named_by_the_error(name: str, make: MakeClient) -> None:
    call, _ = OPERATIONS[name]
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(cmemcache.CacheError) as caught:
        call(make([address], errors="raise"))
    error = single_error(caught)
    assert isinstance(error, cmemcache.ServerDownError)
    assert isinstance(error, ConnectionError)
    assert error.server == address
    assert address in str(error)
    assert error.kind == "server_down"
    assert error.outcome_unknown is False


def test_a_name_that_does_not_resolve_is_a_server_that_is_down(make: MakeClient) -> None:
    with pytest.raises(cmemcache.UnavailableError, match="no-such-host"):
        make(["no-such-host.invalid:11211"], errors="raise").get("key")
    assert make(["no-such-host.invalid:11211"]).get("key") is None


# Something that is not memcached


GARBAGE = [
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    b"\x16\x03\x01\x02\x00",
    b"-ERR unknown command\r\n",
    b"\r\n\r\n\r\n",
    b"VALUE other 0 3\r\nabc\r\nEND\r\n",
    b"x" * 100_000,
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda garbage: repr(garbage[:12]))
def test_what_is_not_memcached_is_a_protocol_error_without_a_hang(garbage: bytes, protocol: str) -> None:
    # An unfinished line may as well be the beginning of a reply: then the deadline ends the wait.
    is_finished = garbage.endswith(b"\r\n") or len(garbage) > 10_000
    timeout = 10 if is_finished else 1
    with listener(garbage) as other:
        began = time.monotonic()
        with Client([other.address], protocol=protocol, errors="raise", socket_timeout=timeout) as client:
            with pytest.raises(cmemcache.UnavailableError) as caught:
                client.get("key")
            assert isinstance(caught.value, (cmemcache.ProtocolError, cmemcache.ServerError, cmemcache.TimeoutError))
            assert not (is_finished and isinstance(caught.value, cmemcache.TimeoutError))
        with Client([other.address], protocol=protocol, socket_timeout=timeout) as client:
            assert client.get("key") is None
            assert client.set("key", 1) == 0
            assert client.get_multi(["a", "b"]) == {}
        assert time.monotonic() - began < 10


def test_a_server_that_never_answers_ends_with_the_deadline(recorder: Listener, protocol: str) -> None:
    with Client([recorder.address], protocol=protocol, errors="raise", socket_timeout=0.3) as client:
        began = time.monotonic()
        with pytest.raises(cmemcache.TimeoutError) as caught:
            client.get("key")
        assert 0.25 < time.monotonic() - began < 5
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.server == recorder.address
        assert caught.value.phase is not None


def test_a_timeout_of_one_call_is_its_own(recorder: Listener, protocol: str) -> None:
    with Client([recorder.address], protocol=protocol, errors="raise", socket_timeout=30) as client:
        for call in (
            lambda: client.get("key", timeout=0.1),
            lambda: client.set("key", 1, timeout=0.1),
            lambda: client.touch("key", 1, timeout=0.1),
            lambda: client.incr("key", timeout=0.1),
            lambda: client.get_multi(["a"], timeout=0.1),
            lambda: client.set_multi({"a": 1}, timeout=0.1),
            lambda: client.flush_all(timeout=0.1),
        ):
            began = time.monotonic()
            with pytest.raises(cmemcache.CacheError):
                call()
            assert time.monotonic() - began < 5
        assert client.version(timeout=0.1)[0].error is not None


@pytest.mark.parametrize("timeout", [0, -1, 3601, float("nan"), True, "1"])
def test_timeouts_out_of_range_are_refused(client: Client, timeout: object) -> None:
    with pytest.raises((TypeError, ValueError), match="timeout"):
        client.get("key", timeout=timeout)  # type: ignore[arg-type]


# A server that goes and comes back


def test_a_restarted_server_is_used_again_by_the_next_calls(own_server: Memcached, protocol: str) -> None:
    with Client([own_server.address], protocol=protocol) as client:
        assert client.set("key", "before") is True
        own_server.restart()
        assert client.get("key") is None
        assert client.set("key", "after") is True
        assert client.get("key") == "after"


def test_a_killed_server_costs_misses_until_it_is_back(own_server: Memcached, protocol: str) -> None:
    with Client([own_server.address], protocol=protocol, dead_retry=1) as client:
        assert client.set("key", "before") is True
        own_server.kill()
        for _ in range(20):
            assert client.get("key", "default") == "default"
            assert client.set("key", "lost") == 0
        own_server.start()
        deadline = time.monotonic() + 30
        while not client.set("key", "after"):
            assert time.monotonic() < deadline, "the server is back and is not used"
            time.sleep(0.05)
        assert client.get("key") == "after"


def test_a_dead_server_costs_its_own_keys_only(servers: list[Memcached], protocol: str) -> None:
    with memcached() as doomed:
        addresses = [servers[0].address, doomed.address, servers[1].address]
        options = {"protocol": protocol, "failover": "fail_fast"}
        with Client(addresses, **options) as quiet, Client(addresses, errors="raise", **options) as loud:  # type: ignore[arg-type]
            values = {f"key{number}": number for number in range(60)}
            assert quiet.set_multi(values) == []
            lost = {key: value for key, value in values.items() if doomed.raw(key) is not None}
            assert 0 < len(lost) < 60
            kept = {key: value for key, value in values.items() if key not in lost}
            doomed.kill()
            assert quiet.get_multi(list(values)) == kept
            assert sorted(quiet.set_multi(values)) == sorted(lost)
            with pytest.raises(cmemcache.BatchError) as caught:
                loud.get_multi(list(values))
            assert caught.value.results == kept
            assert set(caught.value.errors) == set(lost)
            assert {error.server for error in caught.value.errors.values()} == {doomed.address}


def test_keys_of_a_dead_server_go_to_another_by_default(servers: list[Memcached], protocol: str) -> None:
    with memcached() as doomed, Client([doomed.address, servers[0].address], protocol=protocol) as client:
        values = {f"key{number}": number for number in range(40)}
        client.set_multi(values)
        doomed.kill()
        assert client.set_multi(values) == []
        assert client.get_multi(list(values)) == values
        assert all(servers[0].raw(key) is not None for key in values)


# Values


def test_an_unpicklable_object_raises_the_picklers_error_and_sends_nothing(protocol: str) -> None:
    with listener() as recorder, Client([recorder.address], protocol=protocol, socket_timeout=0.5) as client:
        for value in (threading.Lock(), lambda: None, (line for line in "")):
            with pytest.raises((TypeError, pickle.PicklingError, AttributeError)):
                client.set("key", value)
            with pytest.raises((TypeError, pickle.PicklingError, AttributeError)):
                client.set_multi({"good": 1, "key": value})
        assert recorder.connections == 0


def test_a_value_over_the_limit_is_a_typed_error(raising: Client) -> None:
    with pytest.raises(cmemcache.ValueTooLargeError, match="1048577 bytes is over the limit of 1048576"):
        raising.set("key", b"x" * 1048577)
    with pytest.raises(cmemcache.BatchError) as caught:
        raising.set_multi({"big": b"x" * 1048577, "small": 1})
    assert isinstance(caught.value.errors["big"], cmemcache.ValueTooLargeError)
    assert caught.value.results == {"small": True}
    assert raising.get("small") == 1


def test_a_value_over_the_servers_limit_leaves_the_server_in_use(server: Memcached, protocol: str) -> None:
    big = b"x" * 1_100_000
    options = {"protocol": protocol, "server_max_value_length": 0}
    with Client([server.address], **options) as quiet, Client([server.address], errors="raise", **options) as loud:  # type: ignore[arg-type]
        quiet.set("key", "old")
        assert quiet.set("key", big) == 0
        assert quiet.get("key") is None
        assert quiet.set_multi({"key": big, "other": 1}) == ["key"]
        with pytest.raises(cmemcache.ValueTooLargeError) as caught:
            loud.set("key", big)
        assert caught.value.server == server.address
        assert quiet.set("key", "new") is True
        assert quiet.get_multi(["key", "other"]) == {"key": "new", "other": 1}
        assert quiet.metrics()[0].state is cmemcache.ServerState.UP


UNDECODABLE = [
    (b"not a pickle", 1),
    (b"12x", 2),
    (b"\xff\xfe", 16),
    (b"not zlib", 8),
    (b"data", 64),
    (b"data", 0x28000),
]


@pytest.mark.parametrize(("data", "flags"), UNDECODABLE)
def test_an_undecodable_value_reads_as_none_and_leaves_the_stream_intact(
    server: Memcached, protocol: str, data: bytes, flags: int, capsys: pytest.CaptureFixture[str]
) -> None:
    server.put("bad", data, flags)
    server.put("good", b"value", 16)
    with Client([server.address], protocol=protocol, debug=1) as client:
        assert client.get("bad", "default") is None
        assert "'bad'" in capsys.readouterr().err
        assert client.get("good") == "value"
        assert client.gets("bad") is None
        assert client.get_multi(["good", "bad", "missing"]) == {"good": "value", "bad": None}
        assert f"{flags:#x}" in capsys.readouterr().err
        assert client.get("good") == "value"


@pytest.mark.parametrize(("data", "flags"), UNDECODABLE)
def test_an_undecodable_value_is_an_error_that_names_key_and_flags(
    server: Memcached, raising: Client, data: bytes, flags: int
) -> None:
    server.put("bad", data, flags)
    server.put("good", b"value", 16)
    with pytest.raises(cmemcache.ValueDecodeError) as caught:
        raising.get("bad")
    assert caught.value.key == "bad"
    assert caught.value.flags == flags
    assert "'bad'" in str(caught.value)
    assert f"{flags:#x}" in str(caught.value)
    with pytest.raises(cmemcache.BatchError) as failed:
        raising.get_multi(["good", "bad"])
    assert isinstance(failed.value.errors["bad"], cmemcache.ValueDecodeError)
    assert failed.value.results == {"good": "value"}
    assert raising.get("good") == "value"


def test_an_unknown_flag_is_told_from_a_malformed_value(server: Memcached, raising: Client) -> None:
    server.put("unknown", b"data", 64)
    server.put("java", b"data", cmemcache.FLAG_JAVA)
    with pytest.raises(cmemcache.UnknownFlagsError):
        raising.get("unknown")
    with pytest.raises(cmemcache.ForeignValueError, match="Java"):
        raising.get("java")


# Clients


def test_no_servers_is_an_error_of_a_raising_client(make: MakeClient) -> None:
    client = make([], errors="raise")
    for call, _ in OPERATIONS.values():
        with pytest.raises(cmemcache.NoServersError):
            call(client)


def test_a_closed_client_says_so(server: Memcached, protocol: str) -> None:
    client = Client([server.address], protocol=protocol)
    with client as same:
        assert same is client
        assert client.set("key", 1) is True
    for call, _ in OPERATIONS.values():
        with pytest.raises(cmemcache.ClosedError):
            call(client)
    with pytest.raises(cmemcache.ClosedError):
        client.set_servers([server.address])
    client.close()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"protocol": "binary"}, "protocol"),
        ({"placement": "random"}, "placement"),
        ({"failover": "maybe"}, "failover"),
        ({"errors": "ignore"}, "errors"),
        ({"dialect": "java"}, "dialect"),
        ({"spin": "fast"}, "spin"),
        ({"spin": 2000}, "spin"),
        ({"socket_timeout": 0}, "timeout"),
        ({"socket_timeout": "3"}, "timeout"),
        ({"max_connections": 0}, "max_connections"),
        ({"max_connections": 1.5}, "max_connections"),
        ({"failure_limit": 0}, "failure_limit"),
        ({"key_prefix": "a b"}, "key_prefix"),
        ({"key_prefix": "p" * 250}, "key_prefix"),
        ({"key_prefix": 5}, "key_prefix"),
    ],
)
def test_options_out_of_range_are_refused_by_name(options: dict[str, object], named: str) -> None:
    with pytest.raises((TypeError, ValueError), match=named):
        Client(["127.0.0.1:11211"], **options)  # type: ignore[arg-type]


def test_options_may_be_enums_or_their_values() -> None:
    Client([], protocol=cmemcache.WireProtocol.META, placement=cmemcache.Placement.KETAMA, spin="off").close()
    Client([], failover=cmemcache.Failover.FAIL_FAST, errors=cmemcache.Errors.RAISE, spin=50).close()
    Client([], socket_timeout=None, dead_retry=0).close()
    Client([], socket_timeout=3, dead_retry=86400).close()


def test_a_client_cannot_be_pickled_or_copied(client: Client) -> None:
    import copy

    for attempt in (lambda: pickle.dumps(client), lambda: copy.copy(client), lambda: copy.deepcopy(client)):
        with pytest.raises(TypeError, match="cannot pickle or copy a Client"):
            attempt()


@pytest.mark.parametrize(
    "error",
    [
        cmemcache.ServerDownError("detail", "host:1", "connect", True),
        cmemcache.ValueDecodeError("detail", 8, "key"),
        cmemcache.BatchError({"a": 1}, {"b": cmemcache.TimeoutError("late", "host:1", "read")}),
    ],
)
def test_errors_survive_pickling(error: cmemcache.CacheError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert (again.server, again.phase, again.outcome_unknown) == (error.server, error.phase, error.outcome_unknown)
