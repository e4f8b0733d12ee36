"""What can go wrong, as a tree drawn by who has to act.

::

    CacheError
    ├── InvalidInputError (ValueError)        the caller: nothing was sent
    │   ├── InvalidKeyError                   = Client.MemcachedKeyError
    │   │   ├── KeyNoneError (TypeError)      = Client.MemcachedKeyNoneError
    │   │   ├── KeyTypeError (TypeError)      = Client.MemcachedKeyTypeError
    │   │   ├── KeyTooLongError               = Client.MemcachedKeyLengthError
    │   │   └── KeyCharacterError             = Client.MemcachedKeyCharacterError
    │   ├── InvalidArgumentError
    │   └── ValueTooLargeError                also when the server's own limit is lower
    ├── NotNumericError (ValueError)          incr or decr on something that is no number
    ├── ClosedError                           the client was closed
    ├── UnsupportedError                      the server's protocol has no such operation
    ├── UnavailableError                      the cache did not do it
    │   ├── NoServersError
    │   ├── ServerDownError (ConnectionError)
    │   ├── TimeoutError (builtins.TimeoutError)
    │   ├── DisconnectedError (ConnectionError)
    │   ├── ProtocolError
    │   ├── ServerError
    │   ├── AuthError
    │   └── TlsError
    ├── ValueDecodeError (ValueError)         a stored value that cannot be read
    │   ├── ForeignValueError                 in the form of another writer
    │   │   └── UnknownFlagsError             whoever that is
    │   └── UntrustedValueError               refused for safety; raised by quiet clients too
    │       └── ForbiddenClassError           a pickle of something that is not allowed
    ├── BatchError                            some keys of a batch failed
    └── InternalError                         a defect of this library

A quiet client, which is the default, turns every `UnavailableError`, `ValueTooLargeError`, `ValueDecodeError` and
`BatchError` into a plain result; `errors="raise"` lets them through, and an `UntrustedValueError` is raised in both. A miss,
a value that was not stored and a cas conflict are results in both.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any, Optional


class CacheError(Exception):
    """The base of every error of this package.

    `kind` names the kind in one word and is the same in every language. `server` is the server to blame (`host:port` or
    `unix:/path`) and `phase` what the call was doing there (resolve, connect, handshake, queue, write or read); each is None
    where it is not known. `outcome_unknown` tells that the request had left, so that the server may have carried it out.
    """

    kind = "cache"

    def __init__(
        self,
        detail: str,
        server: Optional[str] = None,
        phase: Optional[str] = None,
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.server = server
        self.phase = phase
        self.outcome_unknown = outcome_unknown

    def __str__(self) -> str:
        return self.detail

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.detail, self.server, self.phase, self.outcome_unknown))


class InvalidInputError(CacheError, ValueError):
    """The caller gave something that cannot be sent. Nothing was sent."""

    kind = "invalid_input"


class InvalidKeyError(InvalidInputError):
    """A key that cannot be used. Nothing was sent."""

    kind = "invalid_key"


class KeyNoneError(InvalidKeyError, TypeError):
    """The key is None. Nothing was sent."""

    kind = "key_none"


class KeyTypeError(InvalidKeyError, TypeError):
    """The key is neither str nor bytes. Nothing was sent."""

    kind = "key_type"


class KeyTooLongError(InvalidKeyError):
    """The key, prefix included, is longer than 250 bytes (186 as base64). Nothing was sent."""

    kind = "key_too_long"


class KeyCharacterError(InvalidKeyError):
    """The key is empty or holds a byte of 0x00-0x20 or 0x7f. Nothing was sent."""

    kind = "key_character"


class InvalidArgumentError(InvalidInputError):
    """An argument is out of its range; the message names it and the limit. Nothing was sent."""

    kind = "invalid_argument"


class ValueTooLargeError(InvalidInputError):
    """The value is larger than the client's maximum (nothing was sent) or than the server's (the old item is gone)."""

    kind = "value_too_large"


class NotNumericError(CacheError, ValueError):
    """incr or decr on a value that is not a decimal number. The value is unchanged."""

    kind = "not_numeric"


class ClosedError(CacheError):
    """The client was closed."""

    kind = "closed"


class UnsupportedError(CacheError):
    """The server's protocol, or a client with a signing key, has no such operation."""

    kind = "unsupported"


class UnavailableError(CacheError):
    """The cache did not answer as it should: a server, the network or the operator has to act."""

    kind = "unavailable"


class NoServersError(UnavailableError):
    """The client has no servers."""

    kind = "no_servers"


class ServerDownError(UnavailableError, ConnectionError):
    """The server refuses connections, or failed too often to be asked again yet."""

    kind = "server_down"


class TimeoutError(UnavailableError, builtins.TimeoutError):
    """The call's deadline passed."""

    kind = "timeout"


class DisconnectedError(UnavailableError, ConnectionError):
    """The server closed or reset the connection during the call."""

    kind = "disconnected"


class ProtocolError(UnavailableError):
    """What came is not memcached's protocol, or not the reply to what was asked. The connection was closed."""

    kind = "protocol"


class ServerError(UnavailableError):
    """The server answered with an error of its own; the message holds its words."""

    kind = "server_error"


class AuthError(UnavailableError):
    """The server wants credentials, or refused them."""

    kind = "auth"


class TlsError(UnavailableError):
    """No secure connection: a certificate was refused, on this side or by the server, or the server speaks no TLS."""

    kind = "tls"


class ValueDecodeError(CacheError, ValueError):
    """A stored value that cannot be turned into an object. `key` is as it was given, `flags` as the server keeps them."""

    kind = "value_decode"

    def __init__(self, detail: str, flags: int = 0, key: object = None) -> None:
        super().__init__(detail)
        self.flags = flags
        self.key = key

    def __str__(self) -> str:
        return f"cannot read the value of {self.key!r} (flags {self.flags:#x}): {self.detail}"

    def of(self, key: object, flags: int) -> ValueDecodeError:
        """The same error, of the value under this key with these flags."""
        self.key = key
        self.flags = flags
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.detail, self.flags, self.key))


class ForeignValueError(ValueDecodeError):
    """A stored value of another writer, in a form that this client cannot read. The message says who reads it."""

    kind = "foreign_value"


class UnknownFlagsError(ForeignValueError):
    """A stored value whose flags mean nothing in this client's dialect."""

    kind = "unknown_flags"


class UntrustedValueError(ValueDecodeError):
    """A stored value that is not signed with one of the client's keys, or, as its subclass, is a pickle that is not allowed.

    Raised by quiet clients too: somebody writes to the cache who should not, or the programs that share it disagree.
    """

    kind = "untrusted_value"


class ForbiddenClassError(UntrustedValueError):
    """A pickle, read with `unpickler="restricted"`, of something that is not allowed; `name` says of what.

    It was neither imported nor called.
    """

    kind = "forbidden_class"

    def __init__(self, detail: str, flags: int = 0, key: object = None, name: Optional[str] = None) -> None:
        super().__init__(detail, flags, key)
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.detail, self.flags, self.key, self.name))


class BatchError(CacheError):
    """Some keys of a batch failed; the others were carried out.

    `errors` holds the error of each key that failed and `results` the result of every other key, both under the keys as
    they were given.
    """

    kind = "batch"

    def __init__(self, results: Mapping[Any, Any], errors: Mapping[Any, CacheError]) -> None:
        first = next(iter(errors.values()))
        keys = len(results) + len(errors)
        super().__init__(f"{len(errors)} of {keys} keys failed, the first: {first}", first.server, first.phase)
        self.results = results
        self.errors = errors
        self.outcome_unknown = any(error.outcome_unknown for error in errors.values())

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.results, self.errors))


class InternalError(CacheError):
    """A defect of this library; please report it."""

    kind = "internal"


# The numbers of the packed layout, in the order of core/src/error.rs.
_KINDS: dict[int, type[CacheError]] = {
    64: KeyTooLongError,
    65: KeyCharacterError,
    66: InvalidArgumentError,
    67: ValueTooLargeError,
    68: NoServersError,
    69: ClosedError,
    70: ServerDownError,
    71: TimeoutError,
    72: DisconnectedError,
    73: ProtocolError,
    74: ServerError,
    75: AuthError,
    76: UnsupportedError,
    77: NotNumericError,
    78: TlsError,
}
_PHASES = (None, "resolve", "connect", "handshake", "queue", "write", "read")
_NAMES = {kind.__name__[: -len("Error")]: kind for kind in _KINDS.values()}
_NAMES["ServerError"] = ServerError


def from_packed(
    status: int, text: bytes, server_length: int, phase: int = 0, outcome_unknown: bool = False
) -> CacheError:
    """The error of a packed reply: `text` is the server's name and then the message."""
    # A kind that is not known is that of a library newer than this wrapper.
    kind = _KINDS.get(status, InternalError)
    server = text[:server_length].decode("utf-8", "replace")
    detail = text[server_length:].decode("utf-8", "replace")
    named_phase = _PHASES[phase] if phase < len(_PHASES) else None
    return kind(detail, server or None, named_phase, outcome_unknown)


def from_generated(error: Exception) -> CacheError:
    """The error of a generated call, whose class is named like its kind."""
    kind = _NAMES.get(type(error).__name__, InternalError)
    return kind(
        getattr(error, "detail", str(error)),
        getattr(error, "server", None),
        getattr(error, "phase", None),
        getattr(error, "outcome_unknown", False),
    )
