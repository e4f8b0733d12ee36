"""Has every client read what every client wrote, and checks docs/conformance.md, or writes it with `--write`.

`make conformance` builds the drivers (conformance/drivers) and runs this. Each driver speaks for one client: it gets a line
of JSON (open, write or read) and answers with one. The clients share five real memcached servers and meet over every
placement that both know; those that share none meet on one server. It fails when a value is not read as it was written and
conformance/expected.py does not say so, when that expects what does not happen, and when two placements differ.
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests-python"))

from document import document
from expected import Cell, notes_of

from servers import Memcached, memcached

ROOT = Path(__file__).resolve().parent.parent
DRIVERS = ROOT / "conformance" / "drivers"
DOCUMENT = ROOT / "docs" / "conformance.md"

OURS = ("modulo", "modula", "ketama", "ketama_weighted", "rendezvous")
SINGLE = "one server"

JVM = ["java", "-jar", str(DRIVERS / "kotlin/target/driver.jar")]
PYTHON = [sys.executable, str(DRIVERS / "python.py")]
SWIFT = [
    *(str(ROOT / "make/bin/swift-toolchain"), "env", f"PKG_CONFIG_PATH={ROOT}/target/swift"),
    str(DRIVERS / "swift-driver/.build/debug/Driver"),
]


class Client(NamedTuple):
    """A client of the matrix: its driver and the placements that it shares with others."""

    command: list[str]
    placements: tuple[str, ...] = OURS
    reads: bool = True


def clients(rust_driver: str) -> dict[str, Client]:
    """The clients by the names that they have in the document."""
    return {
        "Rust": Client([rust_driver]),
        "Python": Client([*PYTHON, "cmemcache"]),
        "Python, portable": Client([*PYTHON, "portable"], reads=False),
        "Kotlin": Client([*JVM, "cmemcache"]),
        "Kotlin, spymemcached's dialect": Client([*JVM, "spy-dialect"]),
        "Swift": Client(SWIFT),
        "python-memcached": Client([*PYTHON, "python-memcached"], ("modulo",)),
        "pymemcache": Client([*PYTHON, "pymemcache"], ("rendezvous",)),
        "spymemcached": Client([*JVM, "spymemcached"], ("ketama_weighted",)),
    }


def _bytes(data: bytes) -> dict[str, str]:
    return {"bytes": base64.b64encode(data).decode()}


def _integers() -> dict[str, dict[str, Any]]:
    named = {"0": 0, "42": 42, "-1": -1, "2^31-1": 2**31 - 1, "2^63-1": 2**63 - 1, "-2^63": -(2**63)}
    named |= {"2^63": 2**63, "2^64-1": 2**64 - 1, "2^64": 2**64, "-2^63-1": -(2**63) - 1}
    return {f"integer {name}": {"integer": str(number)} for name, number in named.items()}


LONG = "0123456789abcdef" * 65_536
NESTED = {"map": {"a": {"list": [{"integer": "1"}, {"text": "zwei"}, {"null": True}, {"map": {"b": {"list": []}}}]}}}

#: Every type of value. `compressed` ones are written by clients that are told to compress.
VALUES: dict[str, dict[str, Any]] = {
    "empty text": {"text": ""},
    "ASCII text": {"text": "plain text"},
    "text beyond ASCII": {"text": "grüße 鍵 🔑"},
    "1 MiB of text": {"text": LONG},
    "empty byte string": _bytes(b""),
    "binary": _bytes(bytes(range(256))),
    **_integers(),
    "true": {"boolean": True},
    "false": {"boolean": False},
    "float 0.5": {"float": "0.5"},
    "float 3.0": {"float": "3.0"},
    "float -0.0": {"float": "-0.0"},
    "float 1e300": {"float": "1e+300"},
    "NaN": {"float": "nan"},
    "infinity": {"float": "inf"},
    "-infinity": {"float": "-inf"},
    "null": {"null": True},
    "empty list": {"list": []},
    "list": {"list": [{"integer": "1"}, {"text": "two"}, {"boolean": True}, {"float": "0.5"}]},
    "nested map": NESTED,
    "compressed text": {"text": "compressible " * 2000},
    "compressed list": {"list": [{"text": "compressible"}] * 2000},
}
#: The values that are written over one placement only, because they are large.
LARGE = ("1 MiB of text",)


class Driver:
    """A running driver."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def ask(self, **asked: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = ""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the driver of {self.name} ended when asked to {asked['op']} {asked.get('key', '')}")
        answer: dict[str, Any] = json.loads(line)
        if "broken" in answer:
            raise SystemExit(f"the driver of {self.name} could not {asked['op']} {asked.get('key', '')}: {answer}")
        return answer

    def end(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def like(value: dict[str, Any]) -> str:
    """The type that a reader asks for, where its language has one to ask for."""
    [(kind, content)] = value.items()
    return "natural" if kind == "integer" and 2**63 <= int(content) < 2**64 else kind


def is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two values are equal in type, sign and content."""
    [(kind, content)], [(other_kind, other_content)] = one.items(), other.items()
    if kind != other_kind:
        return False
    if kind == "float":
        # By its text, so that the sign of zero counts and NaN is itself.
        return repr(float(content)) == repr(float(other_content))
    if kind == "list":
        return len(content) == len(other_content) and all(map(is_same, content, other_content))
    if kind == "map":
        return content.keys() == other_content.keys() and all(
            is_same(content[key], other_content[key]) for key in content
        )
    return bool(content == other_content)


def outcome_of(written: dict[str, Any], answer: dict[str, Any]) -> str:
    """A cell of the matrix: `same`, who refused it, or what was made of it."""
    if "refused" in answer:
        return f"refused: {answer['refused']}"
    if "miss" in answer:
        return "not found"
    found = answer["value"]
    if is_same(written, found):
        return "same"
    [kind] = found
    return f"read as {'other ' if kind in written else ''}{kind}"


class Matrix:
    """What was made of every value by every pair of clients; the reader of what was not stored is empty."""

    def __init__(self) -> None:
        self.cells: dict[Cell, str] = {}
        self.faults: list[str] = []

    def note(self, writer: str, reader: str, value: str, outcome: str, placement: str) -> None:
        before = self.cells.setdefault((writer, reader, value), outcome)
        if before != outcome:
            self.faults.append(f"{value} from {writer} to {reader} over {placement}: {outcome}, elsewhere {before}")


def meet(
    matrix: Matrix, placement: str, kinds: dict[str, Client], drivers: dict[str, Driver], servers: list[str]
) -> None:
    """Has the clients of one placement write all values and read each other's."""
    single = placement == SINGLE
    here = [name for name in kinds if single or placement in kinds[name].placements]
    for name in here:
        drivers[name].ask(op="open", servers=servers, placement=kinds[name].placements[0] if single else placement)
    for writer in here:
        for value, tagged in VALUES.items():
            readers = [name for name in here if kinds[name].reads and over(kinds, writer, name, placement, value)]
            if not readers:
                continue
            key = f"{placement}/{writer}/{value}".replace(" ", "_")
            told = drivers[writer].ask(op="write", key=key, value=tagged, compress=value.startswith("compressed"))
            if "refused" in told:
                matrix.note(writer, "", value, f"not written: {told['refused']}", placement)
                continue
            for reader in readers:
                answer = drivers[reader].ask(op="read", key=key, like=like(tagged))
                matrix.note(writer, reader, value, outcome_of(tagged, answer), placement)


def over(kinds: dict[str, Client], writer: str, reader: str, placement: str, value: str) -> bool:
    """Whether a pair meets over this placement with this value."""
    shared = [one for one in kinds[writer].placements if one in kinds[reader].placements] or [SINGLE]
    return placement in (shared[:1] if value in LARGE else shared)


@contextlib.contextmanager
def running(kinds: dict[str, Client]) -> Iterator[tuple[dict[str, Driver], list[Memcached]]]:
    """The drivers, and servers with room for values of more than a megabyte."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(memcached("-I", "4m")) for _ in range(5)]
        drivers = {name: Driver(name, client.command) for name, client in kinds.items()}
        for driver in drivers.values():
            stack.callback(driver.end)
        yield drivers, servers


def main(rust_driver: str, *options: str) -> None:
    kinds = clients(rust_driver)
    matrix = Matrix()
    with running(kinds) as (drivers, servers):
        addresses = [server.address for server in servers]
        for placement in (*OURS, SINGLE):
            meet(matrix, placement, kinds, drivers, addresses[:1] if placement == SINGLE else addresses)
    notes, faults = notes_of(matrix.cells)
    if faults := matrix.faults + faults:
        sys.exit("\n".join(faults))
    placements = {name: client.placements for name, client in kinds.items()}
    readers = [name for name, client in kinds.items() if client.reads]
    text = document(placements, readers, list(VALUES), matrix.cells, notes)
    if "--write" in options:
        DOCUMENT.write_text(text, encoding="utf-8")
    elif not DOCUMENT.exists() or text != DOCUMENT.read_text(encoding="utf-8"):
        sys.exit("docs/conformance.md is not what was found: run `make conformance-document`, look at it and commit it")
    same = sum(outcome == "same" for outcome in matrix.cells.values())
    print(f"all {len(matrix.cells)} cells of docs/conformance.md are as expected, {same} of them the same")


if __name__ == "__main__":
    main(*sys.argv[1:])
