"""A memcached client: fast, safe to share between threads, and a drop-in for python-memcached.

>>> import cmemcache
>>> client = cmemcache.Client(["127.0.0.1:11211"])

`Client` stores Python objects and shares its cache with python-memcached. `StringClient` stores bytes with client flags.
The guide is docs/python.md; what differs from python-memcached on purpose stands in docs/compatibility.md.
"""

from __future__ import annotations

import binascii
from typing import Callable

from ._client import Client
from ._errors import (
    AuthError,
    BatchError,
    CacheError,
    ClosedError,
    DisconnectedError,
    ForbiddenClassError,
    ForeignValueError,
    InternalError,
    InvalidArgumentError,
    InvalidInputError,
    InvalidKeyError,
    KeyCharacterError,
    KeyNoneError,
    KeyTooLongError,
    KeyTypeError,
    NoServersError,
    NotNumericError,
    ProtocolError,
    ServerDownError,
    ServerError,
    TimeoutError,
    TlsError,
    UnavailableError,
    UnknownFlagsError,
    UnsupportedError,
    UntrustedValueError,
    ValueDecodeError,
    ValueTooLargeError,
)
from ._expiry import Expiry
from ._flags import (
    FLAG_BYTES,
    FLAG_INTEGER,
    FLAG_JAVA,
    FLAG_LEASE,
    FLAG_LONG,
    FLAG_PICKLE,
    FLAG_PORTABLE,
    FLAG_SIGNED,
    FLAG_TEXT,
    FLAG_ZLIB,
)
from ._keys import Key, cmemcache_hash, valid_key_chars_re
from ._options import Dialect, Errors, Failover, Placement, WireProtocol
from ._results import Item, ItemMetadata, ServerMetrics, ServerReply, ServerState, ServerStats
from ._servers import Server, ServerSpec
from ._string_client import StringClient, Value
from ._tls import Pem, TlsOptions
from ._values import Serializer
from ._version import __version__

#: Longest key in bytes; a lower number, set before clients are made, is theirs.
SERVER_MAX_KEY_LENGTH = 250
#: Largest value in bytes that a `Client` sends; another number, set before clients are made, is theirs.
SERVER_MAX_VALUE_LENGTH = 1024 * 1024

#: The hash by which a `Client` places keys; another function, set before clients are made, is theirs.
serverHashFunction: Callable[[bytes], int] = cmemcache_hash


def useOldServerHashFunction() -> None:
    """Has the clients that are made from now on place keys by the whole crc32, as the oldest python-memcached did."""
    global serverHashFunction
    serverHashFunction = binascii.crc32


__all__ = [
    "FLAG_BYTES",
    "FLAG_INTEGER",
    "FLAG_JAVA",
    "FLAG_LEASE",
    "FLAG_LONG",
    "FLAG_PICKLE",
    "FLAG_PORTABLE",
    "FLAG_SIGNED",
    "FLAG_TEXT",
    "FLAG_ZLIB",
    "SERVER_MAX_KEY_LENGTH",
    "SERVER_MAX_VALUE_LENGTH",
    "AuthError",
    "BatchError",
    "CacheError",
    "Client",
    "ClosedError",
    "Dialect",
    "DisconnectedError",
    "Errors",
    "Expiry",
    "Failover",
    "ForbiddenClassError",
    "ForeignValueError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidInputError",
    "InvalidKeyError",
    "Item",
    "ItemMetadata",
    "Key",
    "KeyCharacterError",
    "KeyNoneError",
    "KeyTooLongError",
    "KeyTypeError",
    "NoServersError",
    "NotNumericError",
    "Pem",
    "Placement",
    "ProtocolError",
    "Serializer",
    "Server",
    "ServerDownError",
    "ServerError",
    "ServerMetrics",
    "ServerReply",
    "ServerSpec",
    "ServerState",
    "ServerStats",
    "StringClient",
    "TimeoutError",
    "TlsError",
    "TlsOptions",
    "UnavailableError",
    "UnknownFlagsError",
    "UnsupportedError",
    "UntrustedValueError",
    "Value",
    "ValueDecodeError",
    "ValueTooLargeError",
    "WireProtocol",
    "__version__",
    "cmemcache_hash",
    "serverHashFunction",
    "useOldServerHashFunction",
    "valid_key_chars_re",
]
