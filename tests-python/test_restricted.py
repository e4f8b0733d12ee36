"""`unpickler="restricted"`: what it reads, and that nothing of what it refuses is imported or called."""

from __future__ import annotations

import collections
import copyreg
import datetime
import decimal
import enum
import fractions
import pickle
import sys
import uuid
from typing import Any

import pytest

import cmemcache
from cmemcache import Client, ForbiddenClassError, InvalidArgumentError, ValueDecodeError
from servers import Memcached

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Point:
    kind = "point"

    def __init__(self) -> None:
        self.x = 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and self.x == other.x

    class Inner(str):
        pass


class Colour(enum.Enum):
    RED = 1


class Text(str):
    pass


class Refused:
    pass


HARMLESS: list[Any] = [
    *(None, True, 1, 10**30, 1.5, 1j, "ü", b"\xff", bytearray(b"x"), (1,), [1, {"a": b"x"}], {1, 2}, frozenset([1])),
    *(range(3), slice(1, 2), datetime.date(2000, 1, 1), datetime.time(1), datetime.timedelta(1)),
    datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc),
    *(decimal.Decimal("1.5"), fractions.Fraction(1, 3), uuid.UUID(int=1)),
    *(collections.OrderedDict(a=1), collections.Counter("aab"), collections.deque([1])),
    collections.defaultdict(list, {1: [2]}),
]
ALLOWED: list[Any] = [Point, Colour, Text, Point.Inner]


def decode(data: bytes, **options: Any) -> Any:
    with Client(["127.0.0.1:1"], unpickler="restricted", **options) as client:
        return client._codec.decode(data, cmemcache.FLAG_PICKLE)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_values_and_what_is_allowed_are_read_in_every_protocol(protocol: int) -> None:
    for value in [*HARMLESS, Point(), Colour.RED, Text("x"), [Text("y"), Point()]]:
        found = decode(pickle.dumps(value, protocol), allowed=ALLOWED)
        assert found == value
        assert type(found) is type(value)


@pytest.mark.parametrize("protocol", range(4, pickle.HIGHEST_PROTOCOL + 1))
def test_a_class_within_a_class_is_allowed_by_itself(protocol: int) -> None:
    data = pickle.dumps(Point.Inner("x"), protocol)
    assert type(decode(data, allowed=ALLOWED)) is Point.Inner
    with pytest.raises(ForbiddenClassError, match=r"Point\.Inner"):
        decode(data, allowed=[Point])


def called(text: str) -> bytes:
    """A pickle that calls `module name` with a text that would tell on it."""
    return b"c%s\n(S'cmemcache_was_here'\ntR." % text.replace(" ", "\n").encode()


ATTACKS = {
    "os.system": called("os system"),
    "posix.system": called("posix system"),
    "subprocess.Popen": called("subprocess Popen"),
    "builtins.eval": called("builtins eval"),
    "eval as Python 2 names it": called("__builtin__ eval"),
    "builtins.exec": called("builtins exec"),
    "builtins.getattr": b"cbuiltins\ngetattr\n(cbuiltins\nlist\nS'append'\ntR.",
    "builtins.__import__": called("builtins __import__"),
    "builtins.open": called("builtins open"),
    "builtins.type": called("builtins type"),
    "functools.partial": called("functools partial"),
    "operator.attrgetter": called("operator attrgetter"),
    "importlib.import_module": called("importlib import_module"),
    "pickle.loads": called("pickle loads"),
    "codecs.decode": called("codecs decode"),
    "a constructor of copyreg": b"ccopyreg\n_reconstructor\n(cos\n_wrap_close\ncbuiltins\nobject\nNtR.",
    "copyreg.__newobj__": called("copyreg __newobj__"),
    "copyreg.add_extension": called("copyreg add_extension"),
    "INST": b"(S'cmemcache_was_here'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'cmemcache_was_here'\no.",
    "a dotted name": b"\x80\x04\x8c\x08builtins\x8c\x0elist.__class__\x93.",
    "a dotted name of an allowed module": b"\x80\x04\x8c\x08datetime\x8c\x14datetime.sys.modules\x93.",
    "a dotted module": b"\x80\x04\x8c\x07os.path\x8c\x02os\x93.",
    "an extension": b"\x80\x02\x82\x01.",
    "an extension of two bytes": b"\x80\x02\x83\x01\x01.",
    "attributes of a class": b"\x80\x02cuuid\nUUID\nN}X\x03\x00\x00\x00hexX\x01\x00\x00\x000s\x86b.",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_known_attacks_are_refused(name: str) -> None:
    with pytest.raises(ForbiddenClassError, match="not allowed"):
        decode(ATTACKS[name])
    assert isinstance(uuid.UUID(int=0).hex, str)
    assert len(uuid.UUID(int=0).hex) == 32


def test_an_object_that_another_unpickler_took_from_the_extension_registry_is_refused() -> None:
    copyreg.add_extension("os", "getpid", 4711)
    try:
        data = pickle.dumps(__import__("os").getpid, 2)
        if data[2:3] != pickle.EXT2:
            data = b"\x80\x02" + pickle.EXT2 + (4711).to_bytes(2, "little") + b"."
        pickle.loads(data)
        with pytest.raises(ForbiddenClassError, match="extension"):
            decode(data)
    finally:
        copyreg.remove_extension("os", "getpid", 4711)


def test_the_attributes_of_an_allowed_class_stay_as_they_are() -> None:
    module = Point.__module__.encode()
    state = b"N}X\x04\x00\x00\x00kindX\x04\x00\x00\x00evils\x86b."
    with pytest.raises(ForbiddenClassError, match="attributes"):
        decode(b"\x80\x02c%s\nPoint\n" % module + state, allowed=[Point])
    assert Point.kind == "point"


def test_bytes_of_old_protocols_look_up_no_other_encoding() -> None:
    before = set(sys.modules)
    with pytest.raises(ValueDecodeError):
        decode(b"c_codecs\nencode\n(Vtext\nVcp037\ntR.")
    assert "encodings.cp037" not in set(sys.modules) - before


def test_persistent_ids_are_read_by_the_callers_function_only() -> None:
    data = b"Pwho\n."
    with pytest.raises(ValueDecodeError):
        decode(data)
    assert decode(data, pload=lambda name: f"it is {name}") == "it is who"


def test_a_memo_as_large_as_the_memory_is_not_made() -> None:
    assert decode(b"\x80\x02Nr\xff\xff\xff\x7f.") is None


def test_a_refusal_names_key_and_way_out_and_is_raised_by_a_quiet_client(server: Memcached) -> None:
    server.put("k", pickle.dumps(Refused()), cmemcache.FLAG_PICKLE)
    with Client([server.address], unpickler="restricted") as client:
        with pytest.raises(ForbiddenClassError) as caught:
            client.get("k")
        assert caught.value.name == f"{__name__}.Refused"
        assert all(word in str(caught.value) for word in ("'k'", f"{__name__}.Refused", "allowed"))
        again = pickle.loads(pickle.dumps(caught.value))
        assert (str(again), again.name) == (str(caught.value), caught.value.name)
        with pytest.raises(cmemcache.BatchError, match="Refused"):
            client.get_multi(["k"])


def test_what_is_allowed_is_checked_when_the_client_is_made() -> None:
    for wrong in ("os.system", 1, None):
        with pytest.raises(TypeError, match="allowed"):
            Client(["127.0.0.1:1"], unpickler="restricted", allowed=[wrong])
    with pytest.raises(InvalidArgumentError, match="allowed is for"):
        Client(["127.0.0.1:1"], allowed=[Point])
    with pytest.raises(InvalidArgumentError, match="'safe' is neither"):
        Client(["127.0.0.1:1"], unpickler="safe")
    for size in (0, (1 << 30) + 1, 1.5):
        with pytest.raises(InvalidArgumentError, match="max_decompressed_size"):
            Client(["127.0.0.1:1"], max_decompressed_size=size)  # type: ignore[arg-type]
