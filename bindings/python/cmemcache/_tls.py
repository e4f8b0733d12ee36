"""How connections are secured."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Optional, Union

from ._errors import InvalidArgumentError
from ._native import generated


class Pem:
    """Certificates or a key as PEM text: `Pem.file(path)` or `Pem.text(text)`. Its `repr` never shows the text."""

    __slots__ = ("_shown", "_source")
    _source: Any
    _shown: str

    def __init__(self) -> None:
        raise TypeError("use Pem.file(path) or Pem.text(text)")

    @classmethod
    def _of(cls, source: Any, shown: str) -> Pem:
        pem = object.__new__(cls)
        pem._source = source
        pem._shown = shown
        return pem

    @classmethod
    def file(cls, path: Union[str, os.PathLike[str]]) -> Pem:
        """The text in a file, which is read once, when a client is made."""
        path = os.fspath(path)
        return cls._of(generated.Pem.file(path), f"Pem.file({path!r})")

    @classmethod
    def text(cls, text: Union[str, bytes]) -> Pem:
        """The text itself."""
        data = text.encode() if isinstance(text, str) else bytes(text)
        return cls._of(generated.Pem.text(data), f"Pem.text(<{len(data)} bytes>)")

    def __repr__(self) -> str:
        return self._shown


@dataclass(frozen=True)
class TlsOptions:
    """How connections are secured. The defaults trust the system's CAs and demand that the certificate is the server's own.

    TLS 1.2 and 1.3 are spoken. A server that is not trusted, or does not speak TLS, is a `TlsError`: nothing is ever sent in
    plain instead.
    """

    #: The certificates of the CAs that are trusted; the system's own when there are none here.
    ca: Optional[Pem] = None
    #: The client's certificate and those between it and its CA, for servers that ask for one. Needs `key`.
    certificate: Optional[Pem] = None
    #: The private key of `certificate`, not encrypted.
    key: Optional[Pem] = None
    #: The name or IP address that the servers' certificates are for; each server's own host when there is none here.
    server_name: Optional[str] = None
    #: Danger: accepts any certificate of anybody, so that whoever sits between can read and change everything.
    danger_accept_any_certificate: bool = False


def core_tls(tls: Optional[TlsOptions]) -> Any:
    """The core's options of TLS."""
    if tls is None:
        return None
    if not isinstance(tls, TlsOptions):
        raise InvalidArgumentError(f"tls of type {type(tls).__name__} is no TlsOptions")
    return generated.TlsOptions(
        ca=_pem("ca", tls.ca),
        certificate=_pem("certificate", tls.certificate),
        key=_pem("key", tls.key),
        server_name=_text("tls.server_name", tls.server_name),
        danger_accept_any_certificate=bool(tls.danger_accept_any_certificate),
    )


def core_user(user: Optional[str]) -> Optional[str]:
    """A user as the core takes it."""
    return _text("user", user)


def core_password(password: Optional[str]) -> Any:
    """A password as the core takes it: nothing that prints shows it."""
    text = _text("password", password)
    return None if text is None else generated.Password(text)


def _pem(name: str, pem: Optional[Pem]) -> Any:
    if pem is None:
        return None
    if not isinstance(pem, Pem):
        raise InvalidArgumentError(f"tls.{name} of type {type(pem).__name__} is no Pem: use Pem.file or Pem.text")
    return pem._source


def _text(name: str, text: Optional[str]) -> Optional[str]:
    if text is not None and not isinstance(text, str):
        raise InvalidArgumentError(f"{name} of type {type(text).__name__} is no str")
    return text
