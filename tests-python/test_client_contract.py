"""Client, row by row of what python-memcached 1.62 promises. Runs over the meta and over the classic protocol."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import memcache
import pytest

import cmemcache
from cmemcache import Client
from servers import Memcached, listener, memcached

MakeClient = Callable[..., Client]


def test_constructor_takes_the_arguments_of_python_memcached_by_position() -> None:
    theirs = list(inspect.signature(memcache.Client.__init__).parameters)[1:]
    ours = list(inspect.signature(Client.__init__).parameters)[1:]
    assert ours[: len(theirs)] == theirs
    for name in ("debug", "pickleProtocol", "dead_retry", "socket_timeout", "cache_cas", "flush_on_reconnect"):
        default = inspect.signature(memcache.Client.__init__).parameters[name].default
        assert inspect.signature(Client.__init__).parameters[name].default == default


def test_every_public_method_of_python_memcached_is_there_with_its_arguments() -> None:
    for name, method in inspect.getmembers(memcache.Client, inspect.isfunction):
        if name.startswith("_"):
            continue
        theirs = list(inspect.signature(method).parameters)
        ours = list(inspect.signature(getattr(Client, name)).parameters)
        assert ours[: len(theirs)] == theirs, name


def test_get_returns_the_value_or_the_default(client: Client) -> None:
    client.set("here", "value")
    assert client.get("here") == "value"
    assert client.get("here", "default") == "value"
    assert client.get("missing") is None
    assert client.get("missing", "default") == "default"


def test_none_can_be_told_from_a_miss(client: Client) -> None:
    client.set("none", None)
    miss = object()
    assert client.get("none", miss) is None
    assert client.get("missing", miss) is miss
    assert client.get_multi(["none", "missing"]) == {"none": None}


def test_gets_returns_the_value_only(client: Client) -> None:
    client.set("key", [1, 2])
    assert client.gets("key") == [1, 2]
    assert client.gets("missing") is None


def test_get_multi_is_keyed_by_the_keys_as_given(client: Client) -> None:
    client.set_multi({"text": 1, b"bytes": 2, 42: 3, (7, "routed"): 4})
    keys = ["text", b"bytes", 42, (7, "routed"), "missing"]
    assert client.get_multi(keys) == {"text": 1, b"bytes": 2, 42: 3, (7, "routed"): 4}
    assert client.get("42") == 3
    assert client.get((7, "routed")) == 4


def test_get_multi_takes_any_iterable_and_no_keys_at_all(client: Client) -> None:
    client.set("a", 1)
    assert client.get_multi(key for key in ("a", "b")) == {"a": 1}
    assert client.get_multi([]) == {}
    assert client.set_multi({}) == []
    assert client.delete_multi([]) == 1


@pytest.mark.parametrize("prefix", ["pre:", b"pre:"])
def test_key_prefix_is_sent_and_not_returned(client: Client, prefix: str | bytes) -> None:
    assert client.set_multi({"a": 1, b"b": 2, 3: 3}, key_prefix=prefix) == []
    assert client.get_multi(["a", b"b", 3, "c"], key_prefix=prefix) == {"a": 1, b"b": 2, 3: 3}
    assert client.get("pre:a") == 1
    assert client.get("pre:3") == 3
    assert client.delete_multi(["a"], key_prefix=prefix) == 1
    assert client.get("pre:a") is None


def test_storing_returns_true_or_false(client: Client) -> None:
    assert client.replace("key", "0") is False
    assert client.append("key", "0") is False
    assert client.prepend("key", "0") is False
    assert client.add("key", "b") is True
    assert client.add("key", "x") is False
    assert client.append("key", "c") is True
    assert client.prepend("key", "a") is True
    assert client.get("key") == "abc"
    assert client.replace("key", "new") is True
    assert client.set("key", "newer") is True
    assert client.get("key") == "newer"


def test_a_value_over_the_maximum_is_not_sent(make: MakeClient, server: Memcached) -> None:
    client = make([server.address], server_max_value_length=10)
    assert client.set("key", b"x" * 10) is True
    read = server.commands()
    for store in (client.set, client.add, client.replace, client.append, client.prepend, client.cas):
        assert store("key", b"x" * 11) == 0
    assert client.set_multi({"a": b"x" * 11}) == ["a"]
    asking = len(b"stats\r\n")
    assert server.commands() == read + asking
    assert client.get("key") == b"x" * 10


def test_an_oversized_entry_of_a_batch_fails_alone(make: MakeClient, server: Memcached) -> None:
    client = make([server.address], server_max_value_length=10)
    assert client.set_multi({"a": b"1", "big": b"x" * 11, "c": b"3"}) == ["big"]
    assert client.get_multi(["a", "big", "c"]) == {"a": b"1", "c": b"3"}


def test_the_maximum_can_be_switched_off_and_set_for_the_module(
    make: MakeClient, server: Memcached, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make([server.address], server_max_value_length=0).set("key", b"x" * 1_100_000) == 0
    monkeypatch.setattr(cmemcache, "SERVER_MAX_VALUE_LENGTH", 5)
    client = make([server.address])
    assert client.set("key", b"12345") is True
    assert client.set("key", b"123456") == 0
    client.server_max_value_length = 6
    assert client.set("key", b"123456") is True


def test_delete_touch_and_delete_multi_return_one_or_zero(client: Client) -> None:
    client.set("key", 1)
    assert client.touch("key", 100) == 1
    assert client.touch("missing", 100) == 0
    assert client.delete("key") == 1
    assert client.delete("key") == 0
    client.set_multi({"a": 1, "b": 2})
    assert client.delete_multi(["a", "b", "missing"]) == 1
    assert client.get_multi(["a", "b"]) == {}


def test_incr_and_decr_count_numbers_and_texts_of_numbers(client: Client) -> None:
    client.set("int", 5)
    client.set("text", "5")
    assert client.incr("int") == 6
    assert client.incr("text", 10) == 15
    assert client.decr("int", 100) == 0
    assert client.incr("int", "7") == 7
    assert client.incr("missing") is None
    assert client.decr("missing") is None
    client.set("wrap", 2**64 - 1)
    assert client.incr("wrap") == 0
    client.set("padded", 10)
    assert client.decr("padded") == 9
    assert client.get("padded") == 9


def test_incr_raises_value_error_for_what_is_no_number(client: Client) -> None:
    client.set("words", "many")
    with pytest.raises(ValueError, match="not a decimal number"):
        client.incr("words")
    with pytest.raises(ValueError, match="delta"):
        client.incr("words", -1)
    with pytest.raises(ValueError, match="delta"):
        client.decr("words", "x")
    with pytest.raises(ValueError, match="delta"):
        client.incr("words", 2**64)
    assert client.get("words") == "many"


def test_incr_can_make_what_is_missing(client: Client) -> None:
    assert client.incr("counter", 5, initial=100, time=60) == 100
    assert client.incr("counter", 5, initial=100) == 105
    assert client.decr("other", initial=7) == 7


def test_commands_without_an_answer_return_none(client: Client, server: Memcached) -> None:
    client.set("key", 1)
    assert client.flush_all() is None
    assert client.get("key") is None
    assert client.disconnect_all() is None
    assert client.quit_all() is None
    assert client.forget_dead_hosts() is None
    assert client.set_servers([server.address]) is None
    assert client.reset_cas() is None
    assert client.set("key", 2) is True


def test_noreply_is_accepted_and_answered(client: Client) -> None:
    assert client.set("key", 1, noreply=True) is True
    assert client.add("key", 1, noreply=True) is False
    assert client.incr("key", noreply=True) == 2
    assert client.touch("key", 10, noreply=True) == 1
    assert client.set_multi({"a": 1}, noreply=True) == []
    assert client.delete("key", noreply=True) == 1
    assert client.delete_multi(["a"], noreply=True) == 1
    assert client.get_multi(["key", "a"]) == {}


def test_get_stats_names_server_and_weight(make: MakeClient, server: Memcached) -> None:
    client = make([(server.address, 3), "127.0.0.1:1"])
    client.set("key", "value")
    ((name, stats),) = client.get_stats()
    assert name == f"127.0.0.1:{server.port} (3)"
    assert all(isinstance(text, str) for pair in stats.items() for text in pair)
    assert int(stats["curr_items"]) >= 1
    ((_, settings),) = client.get_stats("settings")
    assert settings["tcpport"] == str(server.port)


def test_slab_statistics_are_nested_by_slab(make: MakeClient) -> None:
    with memcached() as server:
        client = make([server.address])
        client.set("key", "value")
        ((name, slabs),) = client.get_slab_stats()
        assert name == f"127.0.0.1:{server.port} (1)"
        assert slabs["active_slabs"] == "1"
        slab = next(number for number in slabs if number.isdecimal())
        assert int(slabs[slab]["chunk_size"]) > 0
        ((_, items),) = client.get_slabs()
        assert int(items[slab]["number"]) == 1


def test_unix_sockets_are_named_by_their_path(make: MakeClient, tmp_path: object) -> None:
    with memcached(unix=f"{tmp_path}/m.sock") as server:
        client = make([server.address])
        assert client.set("key", "value") is True
        assert client.get("key") == "value"
        assert client.get_stats()[0][0] == f"unix:{server.path} (1)"
        assert client.servers[0].address == server.path


# Expiry times


def test_expiry_times_may_be_numbers_timedeltas_and_datetimes(client: Client, server: Memcached) -> None:
    soon = datetime.now(timezone.utc) + timedelta(seconds=100)
    for number, moment in enumerate((100, 99.5, timedelta(seconds=100), soon)):
        key = f"key{number}"
        assert client.set(key, "value", time=moment)
        left = int(server.ask(b"mg %s t\r\n" % key.encode()).split(b"t")[1])
        # memcached's own clock is up to two seconds behind.
        assert 70 <= left <= 103, moment


@pytest.mark.parametrize("when", [-1, timedelta(0), timedelta(seconds=-5), datetime(1999, 1, 1, tzinfo=timezone.utc)])
def test_what_is_past_expires_at_once(client: Client, when: object) -> None:
    client.set("key", "old")
    assert client.set("key", "new", time=when)  # type: ignore[arg-type]
    assert client.get("key") is None


def test_a_fraction_of_a_second_is_not_forever(client: Client, server: Memcached) -> None:
    client.set("key", "value", time=0.2)
    assert server.ask(b"mg key t\r\n") != b"HD t-1\r\n"
    client.set("key", "value", time=timedelta(milliseconds=1))
    assert server.ask(b"mg key t\r\n") != b"HD t-1\r\n"


def test_a_lifetime_over_thirty_days_is_a_lifetime(client: Client, server: Memcached) -> None:
    client.set("key", "value", time=timedelta(days=90))
    left = int(server.ask(b"mg key t\r\n").split(b"t")[1])
    assert abs(left - 90 * 86400) < 60
    client.set("key", "value", time=90 * 86400)
    left = int(server.ask(b"mg key t\r\n").split(b"t")[1])
    assert abs(left - 90 * 86400) < 60


def test_every_method_with_a_time_takes_timedeltas(client: Client, server: Memcached) -> None:
    hour = timedelta(hours=1)

    def left() -> int:
        return int(server.ask(b"mg key t\r\n").split(b"t")[1])

    client.add("key", 1, time=hour)
    assert left() > 3500
    for change in (
        lambda: client.replace("key", 2, time=hour),
        lambda: client.cas("key", 2, time=hour),
        lambda: client.set_multi({"key": 3}, time=hour),
        lambda: client.touch("key", hour),
        lambda: client.gat("key", hour),
    ):
        client.touch("key", 10)
        assert left() <= 10
        change()
        assert left() > 3500


@pytest.mark.parametrize("when", [True, "60", None, datetime(2030, 1, 1), float("nan"), float("inf"), 2**31, 2**70])
def test_what_is_no_time_is_refused(client: Client, when: object) -> None:
    client.set("key", "value")
    with pytest.raises((TypeError, ValueError), match=r"time|exptime"):
        client.set("key", "new", time=when)  # type: ignore[arg-type]
    assert client.get("key") == "value"


# cas


def test_cas_without_cache_cas_is_a_plain_set(client: Client) -> None:
    client.set("key", 1)
    client.gets("key")
    client.set("key", 2)
    assert client.cas("key", 3) is True
    assert client.get("key") == 3


def test_cas_with_cache_cas_refuses_what_has_changed(make: MakeClient, server: Memcached) -> None:
    client = make([server.address], cache_cas=True)
    client.set("key", 1)
    assert client.gets("key") == 1
    assert client.cas("key", 2) is True
    assert client.cas("key", 3) is False
    assert client.gets("key") == 2
    client.set("key", 4)
    assert client.cas("key", 5) is False
    client.reset_cas()
    assert client.cas("key", 6) is True
    assert client.get("key") == 6


def test_cas_of_an_item_that_is_gone_is_false(make: MakeClient, server: Memcached) -> None:
    client = make([server.address], cache_cas=True)
    client.set("key", 1)
    client.gets("key")
    client.delete("key")
    assert client.cas("key", 2) is False


def test_tokens_of_gets_belong_to_the_thread_that_read_them(make: MakeClient, server: Memcached) -> None:
    import threading

    client = make([server.address], cache_cas=True)
    client.set("key", "old")
    client.gets("key")
    client.set("key", "changed")
    other = threading.Thread(target=client.gets, args=("key",))
    other.start()
    other.join()
    assert client.cas("key", "lost update") is False


def test_explicit_tokens_need_no_memory(client: Client) -> None:
    client.set("key", 1)
    value, token = client.gets_with_token("key")
    assert value == 1
    assert token is not None
    assert client.cas("key", 2, token=token) is True
    assert client.cas("key", 3, token=token) is False
    assert client.gets_with_token("missing", "default") == ("default", None)
    assert client.get("key") == 2


# Keys


KEY_ERRORS = [
    (None, "MemcachedKeyNoneError"),
    (42, "MemcachedKeyTypeError"),
    (4.2, "MemcachedKeyTypeError"),
    (bytearray(b"key"), "MemcachedKeyTypeError"),
    ("k" * 251, "MemcachedKeyLengthError"),
    ("ü" * 126, "MemcachedKeyLengthError"),
    ("", "MemcachedKeyCharacterError"),
    (b"", "MemcachedKeyCharacterError"),
    ("a b", "MemcachedKeyCharacterError"),
    ("a\nb", "MemcachedKeyCharacterError"),
    ("a\r\nb", "MemcachedKeyCharacterError"),
    ("a\0b", "MemcachedKeyCharacterError"),
    ("a\tb", "MemcachedKeyCharacterError"),
    (b"a\x7fb", "MemcachedKeyCharacterError"),
    ((1, None), "MemcachedKeyNoneError"),
    ((1, "a b"), "MemcachedKeyCharacterError"),
]

SINGLE = {
    "get": lambda client, key: client.get(key),
    "gets": lambda client, key: client.gets(key),
    "gat": lambda client, key: client.gat(key, 1),
    "set": lambda client, key: client.set(key, 1),
    "add": lambda client, key: client.add(key, 1),
    "replace": lambda client, key: client.replace(key, 1),
    "append": lambda client, key: client.append(key, 1),
    "prepend": lambda client, key: client.prepend(key, 1),
    "cas": lambda client, key: client.cas(key, 1),
    "delete": lambda client, key: client.delete(key),
    "touch": lambda client, key: client.touch(key, 1),
    "incr": lambda client, key: client.incr(key),
    "decr": lambda client, key: client.decr(key),
}


@pytest.mark.parametrize(("key", "error"), KEY_ERRORS)
def test_bad_keys_raise_the_errors_of_the_contract_and_send_nothing(key: object, error: str) -> None:
    with listener() as recorder, Client([recorder.address], socket_timeout=0.5) as client:
        expected = getattr(Client, error)
        assert issubclass(expected, Client.MemcachedKeyError)
        for name, call in SINGLE.items():
            with pytest.raises(expected):
                call(client, key)
            assert not recorder.received, name
        if not isinstance(key, (int, float, bytearray)):
            for batch in (
                lambda: client.get_multi(["good", key]),
                lambda: client.set_multi({"good": 1, key: 2}),
                lambda: client.delete_multi(["good", key]),
            ):
                with pytest.raises(expected):
                    batch()
        assert not recorder.received
        assert recorder.connections == 0


@pytest.mark.parametrize("key", ["abc\n", "\nabc", "abc\r\n"])
def test_a_key_that_ends_with_a_newline_is_refused(client: Client, key: str) -> None:
    with pytest.raises(Client.MemcachedKeyCharacterError):
        client.set(key, "value")


def test_the_length_limit_counts_the_prefix(client: Client) -> None:
    assert client.set_multi({"k" * 240: 1}, key_prefix="p" * 10) == []
    with pytest.raises(Client.MemcachedKeyLengthError):
        client.set_multi({"k" * 241: 1}, key_prefix="p" * 10)


def test_an_empty_key_behind_a_prefix_is_refused(client: Client) -> None:
    with pytest.raises(Client.MemcachedKeyCharacterError):
        client.get_multi(["a", ""], key_prefix="prefix")
    with pytest.raises(Client.MemcachedKeyCharacterError):
        client.get_multi(["a", b""], key_prefix="prefix")


def test_a_lower_key_limit_is_kept(make: MakeClient, server: Memcached) -> None:
    client = make([server.address], server_max_key_length=10)
    assert client.set("k" * 10, 1) is True
    with pytest.raises(Client.MemcachedKeyLengthError):
        client.set("k" * 11, 1)
    with pytest.raises(Client.MemcachedKeyLengthError):
        client.get_multi(["k" * 5], key_prefix="p" * 6)


@pytest.mark.parametrize("options", [{"check_keys": False}, {"server_max_key_length": 0}])
def test_key_checks_cannot_be_switched_off(make: MakeClient, server: Memcached, options: dict[str, object]) -> None:
    client = make([server.address], **options)
    with pytest.raises(Client.MemcachedKeyCharacterError):
        client.get("a b")
    with pytest.raises(Client.MemcachedKeyLengthError):
        client.get("k" * 251)


def test_key_encoder_is_called_once_with_every_key(make: MakeClient, server: Memcached) -> None:
    client = make([server.address], key_encoder=lambda key: f"v1:{key}")
    client.set("key", 1)
    client.set_multi({"a": 2, 3: 4})
    assert server.raw("v1:key") == (b"1", 2)
    assert server.raw("v1:a") == (b"2", 2)
    assert client.get_multi(["key", "a", 3]) == {"key": 1, "a": 2, 3: 4}
    assert client.get_multi(["a"], key_prefix="") == {"a": 2}


def test_keys_with_a_hash_of_their_own_go_where_it_says(make: MakeClient, servers: list[Memcached]) -> None:
    client = make([one.address for one in servers])
    for number, server in enumerate(servers):
        assert client.set((number, f"key{number}"), number) is True
        assert server.raw(f"key{number}") == (b"%d" % number, 2)
        assert client.get((number + 3, f"key{number}")) == number
    assert client.get_multi([(0, "key0"), (1, "key1"), (2, "key2")]) == {(0, "key0"): 0, (1, "key1"): 1, (2, "key2"): 2}
    assert client.set_multi({(2, "x"): "two", "plain": "own"}) == []
    assert servers[2].raw("x") == (b"two", 16)
    assert client.get_multi([(2, "x"), "plain"]) == {(2, "x"): "two", "plain": "own"}
    assert client.delete((2, "x")) == 1


@pytest.mark.parametrize("key", [(1,), (1, "a", "b"), ("hash", "a"), (None, "a")])
def test_tuples_that_are_no_hash_and_key_are_refused(client: Client, key: object) -> None:
    with pytest.raises(Client.MemcachedKeyTypeError):
        client.get(key)


# Servers


def test_default_port_and_server_forms_are_understood() -> None:
    client = Client(
        ["localhost", "inet:127.0.0.1:11212", "inet6:[::1]:11213", "unix:/tmp/m.sock", ("10.0.0.1:11211", 2)]
    )
    assert [one.weight for one in client.servers] == [1, 1, 1, 1, 2]
    assert client.servers[0].address == ("localhost", 11211)
    assert client.servers[1].address == ("127.0.0.1", 11212)
    assert client.servers[2].address == ("::1", 11213)
    assert client.servers[3].address == "/tmp/m.sock"
    assert Client([]).servers == []


@pytest.mark.parametrize(
    ("servers", "error"),
    [
        ("127.0.0.1:11211", TypeError),
        (b"127.0.0.1:11211", TypeError),
        ([11211], TypeError),
        ([None], TypeError),
        ([("localhost", 11211)], ValueError),
        ([("localhost", "11211")], TypeError),
        ([("localhost", 1, 2)], TypeError),
        ([("localhost:11211", 0)], ValueError),
        (["localhost:port"], ValueError),
        (["localhost:0"], ValueError),
        (["localhost:65536"], ValueError),
        (["/tmp/m.sock"], ValueError),
        (["unix:"], ValueError),
        ([""], ValueError),
        (["a b:11211"], ValueError),
    ],
)
def test_what_is_no_list_of_servers_is_refused_by_name(
    server: Memcached, servers: object, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"server|address|port|path|weight|host"):
        Client(servers)  # type: ignore[arg-type]
    client = Client([server.address])
    with pytest.raises(error):
        client.set_servers(servers)  # type: ignore[arg-type]
    assert client.set("key", "still there") is True


def test_a_port_given_as_a_weight_is_told_to_the_caller() -> None:
    with pytest.raises(ValueError, match="localhost:11211"):
        Client([("localhost", 11211)])


def test_set_servers_moves_to_the_new_servers(make: MakeClient, servers: list[Memcached]) -> None:
    client = make([servers[0].address])
    client.set("key", "first")
    client.set_servers([servers[1].address])
    assert client.get("key") is None
    assert client.set("key", "second") is True
    assert servers[1].raw("key") == (b"second", 16)
    assert [one.address for one in client.servers] == [("127.0.0.1", servers[1].port)]


def test_a_server_can_be_marked_dead_and_forgotten(make: MakeClient, server: Memcached) -> None:
    client = make([server.address], dead_retry=20)
    host = client.servers[0]
    assert host.deaduntil == 0
    host.mark_dead("test")
    assert time.time() < host.deaduntil < time.time() + 21
    assert client.set("key", 1) == 0
    client.forget_dead_hosts()
    assert host.deaduntil == 0
    assert client.set("key", 1) is True
    host.deaduntil = time.time() + 60
    assert time.time() + 30 < host.deaduntil < time.time() + 61
    assert client.get("key") is None
    host.deaduntil = 0
    time.sleep(0.05)
    assert client.get("key") == 1
    assert host.connect() == 1


def test_an_empty_client_fails_quietly(make: MakeClient) -> None:
    client = make([])
    assert client.get("key", "default") == "default"
    assert client.set("key", 1) == 0
    assert client.delete("key") == 0
    assert client.incr("key") is None
    assert client.touch("key") == 0
    assert client.get_multi(["a", "b"]) == {}
    assert client.set_multi({"a": 1, "b": 2}) == ["a", "b"]
    assert client.delete_multi(["a"]) == 1
    assert client.get_stats() == []
    assert client.flush_all() is None


def test_debug_writes_to_standard_error(capsys: pytest.CaptureFixture[str], make: MakeClient) -> None:
    make(["127.0.0.1:1"], debug=1).get("key")
    told = capsys.readouterr().err
    assert told.startswith("MemCached: ")
    assert "127.0.0.1:1" in told
    make(["127.0.0.1:1"]).get("key")
    assert capsys.readouterr().err == ""


def test_the_module_offers_the_names_that_programs_use() -> None:
    assert cmemcache.SERVER_MAX_KEY_LENGTH == memcache.SERVER_MAX_KEY_LENGTH
    assert cmemcache.SERVER_MAX_VALUE_LENGTH == memcache.SERVER_MAX_VALUE_LENGTH
    assert cmemcache.serverHashFunction is cmemcache.cmemcache_hash
    for key in (b"foo", b"bar", b"x" * 250):
        assert cmemcache.cmemcache_hash(key) == memcache.cmemcache_hash(key)
    for name in ("PICKLE", "INTEGER", "LONG", "COMPRESSED", "TEXT"):
        assert getattr(Client, f"_FLAG_{name}") == getattr(memcache.Client, f"_FLAG_{name}")
    for name in dir(memcache.Client):
        if name.startswith("Memcached"):
            assert issubclass(getattr(Client, name), Exception), name


def test_another_hash_function_of_the_module_places_keys(
    make: MakeClient, servers: list[Memcached], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cmemcache, "serverHashFunction", lambda key: len(key))
    client = make([one.address for one in servers])
    for length in range(1, 7):
        client.set("k" * length, length)
        assert servers[length % 3].raw("k" * length) == (b"%d" % length, 2)
    keys = ["k" * length for length in range(1, 7)]
    assert client.get_multi(keys) == {key: len(key) for key in keys}


def test_the_old_hash_function_can_be_chosen(
    servers: list[Memcached], make: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cmemcache, "serverHashFunction", cmemcache.cmemcache_hash)
    monkeypatch.setattr(memcache, "serverHashFunction", memcache.cmemcache_hash)
    cmemcache.useOldServerHashFunction()
    memcache.useOldServerHashFunction()
    addresses = [one.address for one in servers]
    ours, theirs = make(addresses), memcache.Client(addresses)
    for number in range(30):
        theirs.set(f"key{number}", number)
    assert ours.get_multi([f"key{number}" for number in range(30)]) == {f"key{number}": number for number in range(30)}


def test_a_pool_that_carries_death_marks_from_client_to_client_works(servers: list[Memcached], protocol: str) -> None:
    """As oslo.cache does with python-memcached: it undoes threading.local and copies `deaduntil`."""

    class Pooled(Client):
        __delattr__ = object.__delattr__
        __getattribute__ = object.__getattribute__
        __setattr__ = object.__setattr__

        def __new__(cls, *arguments: object, **options: object) -> Pooled:
            return object.__new__(cls)

        def __del__(self) -> None:
            pass

    addresses = [servers[0].address, servers[1].address]
    known_dead_until = [0.0, 0.0]

    def take(one: Client) -> None:
        now = time.time()
        for until, host in zip(known_dead_until, one.servers):
            if until > now and host.deaduntil <= now:
                host.mark_dead("propagating death mark from the pool")
            host.deaduntil = until

    def give_back(one: Client) -> None:
        now = time.time()
        for number, host in enumerate(one.servers):
            known_dead_until[number] = host.deaduntil if host.deaduntil > now else 0

    first, second = (Pooled(addresses, dead_retry=30, protocol=protocol) for _ in range(2))
    take(first)
    first.servers[0].mark_dead("found dead")
    assert first.set_multi({f"key{number}": number for number in range(20)}) == []
    give_back(first)
    assert known_dead_until[0] > time.time()
    assert known_dead_until[1] == 0
    take(second)
    assert second.get_multi([f"key{number}" for number in range(20)]) == {f"key{n}": n for n in range(20)}
    assert second.metrics()[0].operations == 0
    known_dead_until[0] = 0
    take(second)
    time.sleep(0.01)
    assert second.servers[0].deaduntil == 0
    assert second.get_multi([f"key{number}" for number in range(20)]) != {}
    assert second.metrics()[0].operations > 0
    first.disconnect_all()
