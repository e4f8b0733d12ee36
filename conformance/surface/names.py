"""What each language calls what the UDL names: a rule, and the exceptions to it.

The rule: types keep their names; methods, options and fields are in snake_case (Python, Rust) or camelCase (Kotlin, Swift);
variants are in UPPER_CASE (Python, Kotlin), camelCase (Swift) or PascalCase (Rust); those of faults, which have arguments, are
functions in snake_case (Python) or classes in PascalCase (Kotlin). Kinds of errors have the names of
conformance/errors.json. An exception is another name, or the reason, in parentheses, why a language has none of its own.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from udl import Element

LANGUAGES = ("rust", "python", "kotlin", "swift")

_ERRORS = json.loads((Path(__file__).parent.parent / "errors.json").read_text(encoding="utf-8"))["cases"]
ERRORS = {case["name"]: case for case in _ERRORS if "number" in case}

_HANDLE = "(the wrappers' own: packed calls name their client by it)"
_SIGNER = "(an option of Client: signing_key, signingKeys)"

EXCEPTIONS: dict[str, dict[str, str]] = {
    "rust": {
        "StringClient": "Client",
        "Signer.constructor": "Signer.new",
        "StringClient.constructor": "Client.new",
        "StringClient.handle": "(a client in Rust is the object itself)",
        "ClientOptions": "Config",
        "ClientOptions.timeout_ms": "Config.timeout",
        "ClientOptions.connect_timeout_ms": "Config.connect_timeout",
        "ClientOptions.dead_retry_ms": "Config.dead_retry",
        "ClientOptions.binary_keys": "Config.key_encoding",
        "CacheError": "ErrorKind",
        "Pem.file": "Pem.File",
        "Pem.text": "Pem.Text",
        "Password.constructor": "(made from a str or a String)",
        "StoreEntry": "(a tuple)",
        "GetResult": "(a Result for each key)",
        "StoreResult": "(a Result for each key)",
        "DeleteResult": "(a Result for each key)",
        "ServerReply.error": "(the reply is a Result)",
        "ServerStats": "(a ServerReply)",
        "TestServer": "Server",
        "TestServer.constructor": "(Server::start and Server::with)",
        "TestServerOptions": "Options",
        "TestServerOptions.user": "Options.credentials",
        "TestServerOptions.password": "Options.credentials",
        "TestServerCounts": "Counts",
        "TestFault": "Fault",
    },
    "python": {
        "StringClient.constructor": "StringClient.__init__",
        "StringClient.handle": _HANDLE,
        "Signer": _SIGNER,
        "Signer.constructor": _SIGNER,
        "Signer.seal": _SIGNER,
        "Signer.open": _SIGNER,
        "StringClient.with_timeout": "(every method has a timeout of its own)",
        "StringClient.stats": "StringClient.server_stats",
        "StringClient.mark_down": "Server.mark_dead",
        "StringClient.shutdown": "StringClient.close",
        "ClientOptions": "(arguments of the clients)",
        "ClientOptions.timeout_ms": "StringClient.timeout",
        "ClientOptions.connect_timeout_ms": "StringClient.connect_timeout",
        "ClientOptions.dead_retry_ms": "StringClient.dead_retry",
        "ServerSpec.address": "(the string of a server)",
        "ServerSpec.weight": "Server.weight",
        "Item.cas": "Item.token",
        "Spin": "(the strings auto and off, or a number)",
        "Password": "(a str)",
        "Password.constructor": "(a str)",
        "StoreOutcome": "(True, False and None)",
        "StoreEntry": "(an entry of a dict)",
        "GetResult": "(a dict; the errors stand in a BatchError)",
        "StoreResult": "(a dict; the errors stand in a BatchError)",
        "DeleteResult": "(a dict; the errors stand in a BatchError)",
        "TestServer": "testing.Server",
        "TestServer.constructor": "testing.Server.__init__",
        "TestServerOptions": "testing.Server",
        "TestServerCounts": "testing.Counts",
        "TestFault": "testing.Fault",
    },
    "kotlin": {
        "StringClient.constructor": "StringClient.StringClient",
        "Password.constructor": "Password.Password",
        "StringClient.handle": _HANDLE,
        "Signer": _SIGNER,
        "Signer.constructor": _SIGNER,
        "Signer.seal": _SIGNER,
        "Signer.open": _SIGNER,
        "StringClient.gat": "StringClient.getAndTouch",
        "StringClient.gats": "StringClient.getsAndTouch",
        "StringClient.shutdown": "StringClient.close",
        "ClientOptions.timeout_ms": "ClientOptions.timeout",
        "ClientOptions.connect_timeout_ms": "ClientOptions.connectTimeout",
        "ClientOptions.dead_retry_ms": "ClientOptions.deadRetry",
        "CacheError": "CacheException",
        "Spin.Auto": "Spin.Auto",
        "Spin.Off": "Spin.Off",
        "Spin.Fixed": "Spin.Fixed",
        "StoreOutcome.Stored": "StoreOutcome.Stored",
        "StoreOutcome.NotStored": "StoreOutcome.NotStored",
        "StoreOutcome.Exists": "StoreOutcome.Exists",
        "StoreOutcome.NotFound": "StoreOutcome.NotFound",
        "StoreEntry": "(an entry of a Map)",
        "GetResult": "(a MultiResult)",
        "StoreResult": "(a MultiResult)",
        "DeleteResult": "(a MultiResult)",
        "ItemMetadata.ttl": "ItemMetadata.ttlSeconds",
        "ItemMetadata.idle": "ItemMetadata.idleSeconds",
        "ServerMetrics.down_for_ms": "ServerMetrics.downForMillis",
        "TestServer": "testing.Server",
        "TestServer.constructor": "testing.Server.Server",
        "TestServerOptions": "(arguments of testing.Server)",
        "TestServerCounts": "testing.Counts",
        "TestFault": "testing.Fault",
    },
    "swift": {
        "Signer": _SIGNER,
        "Signer.constructor": _SIGNER,
        "Signer.seal": _SIGNER,
        "Signer.open": _SIGNER,
        "StringClient.constructor": "StringClient.init",
        "Password.constructor": "Password.init",
        "StringClient.handle": _HANDLE,
        "StringClient.gat": "StringClient.getAndTouch",
        "StringClient.gats": "StringClient.getsAndTouch",
        "ClientOptions.timeout_ms": "ClientOptions.timeout",
        "ClientOptions.connect_timeout_ms": "ClientOptions.connectTimeout",
        "ClientOptions.dead_retry_ms": "ClientOptions.deadRetry",
        "GetResult": "(a MultiResult)",
        "StoreResult": "(a MultiResult)",
        "DeleteResult": "(a MultiResult)",
        "ServerMetrics.down_for_ms": "ServerMetrics.downFor",
        "TestServer.constructor": "TestServer.init",
        "TestServerOptions": "Options",
        "TestServerCounts": "Counts",
        "TestFault": "Fault",
    },
}


def name_of(language: str, element: Element) -> str:
    """`Owner.member` as this language has it, or a reason in parentheses."""
    exceptions = EXCEPTIONS[language]
    if str(element) in exceptions:
        return exceptions[str(element)]
    owner = exceptions.get(element.owner, element.owner)
    if element.kind == "error":
        return _error(language, element.name)
    if language == "python" and element.owner == "ClientOptions":
        owner = "StringClient"
    if not element.name or owner.startswith("("):
        return owner
    return f"{owner}.{_member(language, element)}"


def _error(language: str, name: str) -> str:
    known = ERRORS.get(name, {}).get(language)
    if language == "rust":
        return f"ErrorKind.{name}"
    if known is None:
        return f"conformance/errors.json names no error {name} in {language}"
    return f"Code.{known}" if language == "swift" else known


def _member(language: str, element: Element) -> str:
    words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", element.name)
    camel = words[0].lower() + "".join(word.capitalize() for word in words[1:])
    if element.owner == "TestFault":
        return {"python": "_".join(words).lower(), "swift": camel}.get(language, element.name)
    if element.kind == "variant":
        upper = "_".join(words).upper()
        return {"rust": element.name, "python": upper, "kotlin": upper, "swift": camel}[language]
    return element.name if language in ("rust", "python") else camel
