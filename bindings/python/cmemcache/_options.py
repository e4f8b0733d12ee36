"""Options of a client: their names, their checks, and how the core is told."""

from __future__ import annotations

import enum
from typing import Any, Callable, Optional, TypeVar, Union

from ._errors import InvalidArgumentError
from ._keys import cmemcache_hash, prefix_bytes
from ._native import generated
from ._numbers import milliseconds, uint32, uint64
from ._tls import TlsOptions, core_password, core_tls, core_user


class WireProtocol(enum.Enum):
    """Which protocol to speak."""

    #: Ask each server on each new connection: meta from memcached 1.6.18 on, classic otherwise.
    AUTO = "auto"
    #: Meta, without asking.
    META = "meta"
    #: Classic, without asking.
    CLASSIC = "classic"


class Placement(enum.Enum):
    """How a key chooses its server."""

    #: python-memcached's: crc32 of the key modulo the servers, each counted by its weight.
    MODULO = "modulo"
    #: libmemcached's default: one-at-a-time hash modulo the servers; weights are ignored.
    MODULA = "modula"
    #: libmemcached's KETAMA: 100 points per server hashed one-at-a-time; weights are ignored.
    KETAMA = "ketama"
    #: libmemcached's KETAMA_WEIGHTED: about 160 MD5 points per server and weight.
    KETAMA_WEIGHTED = "ketama_weighted"
    #: Highest random weight, murmur3 of `host:port-key`, as pymemcache's HashClient; weights are ignored.
    RENDEZVOUS = "rendezvous"


class Failover(enum.Enum):
    """What becomes of a key whose server is down."""

    #: The call fails with ServerDownError. Never reads a stale copy.
    FAIL_FAST = "fail_fast"
    #: Another server is tried, as python-memcached does. A server that flaps can leave stale copies behind.
    REHASH = "rehash"


class Dialect(enum.Enum):
    """Whose encoding of values to read and write."""

    #: python-memcached's, which is also that of pymemcache's `pickle_serde` and of pylibmc.
    PYTHON_MEMCACHED = "python-memcached"
    #: libmc's.
    LIBMC = "libmc"
    #: meta-memcache's.
    META_MEMCACHE = "meta-memcache"


class Errors(enum.Enum):
    """What a client does when the cache fails."""

    #: Answer as for a miss (None, False, 0 or the default), as python-memcached does.
    QUIET = "quiet"
    #: Raise the error.
    RAISE = "raise"


_E = TypeVar("_E", bound=enum.Enum)

_MAX_SECONDS = 3600.0


def choice(kind: type[_E], name: str, value: object) -> _E:
    """The member of an enum that is given as itself or by its value. Raises InvalidArgumentError naming the choices."""
    try:
        return kind(value)
    except ValueError:
        choices = ", ".join(repr(member.value) for member in kind)
        raise InvalidArgumentError(f"{name} of {value!r} is none of {choices}") from None


def core_options(
    *,
    protocol: Union[WireProtocol, str],
    placement: Union[Placement, str],
    failover: Union[Failover, str],
    timeout: Optional[float],
    connect_timeout: Optional[float],
    dead_retry: float,
    failure_limit: int,
    max_connections: int,
    max_value_size: int,
    key_prefix: Union[str, bytes],
    binary_keys: bool,
    flush_on_reconnect: bool,
    spin: Union[str, int],
    tls: Optional[TlsOptions],
    user: Optional[str],
    password: Optional[str],
) -> Any:
    """The core's options. Numbers out of their range are told here or when the core is opened."""
    return generated.ClientOptions(
        protocol=generated.WireProtocol[choice(WireProtocol, "protocol", protocol).name],
        placement=generated.Placement[choice(Placement, "placement", placement).name],
        failover=generated.Failover[choice(Failover, "failover", failover).name],
        timeout_ms=milliseconds("timeout", _MAX_SECONDS if timeout is None else timeout),
        connect_timeout_ms=milliseconds(
            "connect_timeout", _MAX_SECONDS if connect_timeout is None else connect_timeout
        ),
        dead_retry_ms=dead_retry_ms(dead_retry),
        failure_limit=uint32("failure_limit", failure_limit),
        max_connections=uint32("max_connections", max_connections),
        max_value_size=uint64("max_value_size", max_value_size),
        key_prefix=prefix_bytes(key_prefix),
        binary_keys=bool(binary_keys),
        flush_on_reconnect=bool(flush_on_reconnect),
        spin=_spin(spin),
        tls=core_tls(tls),
        user=core_user(user),
        password=core_password(password),
    )


def core_hash(placement: Union[Placement, str]) -> Optional[Callable[[bytes], int]]:
    """The hash by which the core places keys, where a hash is all that a key's place depends on."""
    return cmemcache_hash if choice(Placement, "placement", placement) is Placement.MODULO else None


def dead_retry_ms(seconds: float) -> int:
    """Seconds for which a failed server is left alone, as milliseconds; more than an hour is taken as an hour."""
    return 0 if seconds <= 0 else milliseconds("dead_retry", min(seconds, _MAX_SECONDS))


def _spin(spin: Union[str, int]) -> Any:
    if spin == "auto":
        return generated.Spin.AUTO()
    if spin == "off":
        return generated.Spin.OFF()
    if isinstance(spin, int) and not isinstance(spin, bool):
        return generated.Spin.FIXED(uint32("spin", spin))
    raise InvalidArgumentError(f"spin of {spin!r} is none of 'auto', 'off' and a number of microseconds")
