"""The check that what the UDL names is public and tested in every language (conformance/surface)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from vectors import ROOT

UDL = (ROOT / "core/src/cmemcache.udl").read_text(encoding="utf-8")


@pytest.fixture
def surface(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(ROOT / "conformance/surface"))
    # "check" and "names" are common words: they are these modules here and nowhere else.
    for name in ("check", "languages", "names", "udl"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import check

    yield check
    for name in ("check", "languages", "names", "udl"):
        sys.modules.pop(name, None)


def test_every_line_of_the_udl_is_read(surface: Any) -> None:
    named = {str(element) for element in surface.elements(UDL)}
    assert {
        "StringClient.get",
        "StringClient.constructor",
        "ClientOptions.key_prefix",
        "Spin.Fixed",
        "Item.cas",
    } <= named
    assert {"CacheError.NotNumeric", "Placement.KetamaWeighted", "ServerStats.stats", "ItemMetadata"} <= named
    code = [line for line in UDL.splitlines() if line.strip() and not line.strip().startswith(("//", "["))]
    closing = sum(line.strip() == "};" for line in code)
    functions = 4  # of the namespace
    assert len(code) == len(named) + closing + functions + 1


@pytest.mark.parametrize(
    ("where", "line", "missing"),
    [
        ("interface StringClient {", "void paint(bytes key);", "paint (method)"),
        ("dictionary ClientOptions {", "u32 colour = 1;", "colour (option)"),
        ("dictionary Item {", "u32 colour;", "colour (field)"),
        ("enum Failover {", '"Pray",', "Pray (variant)"),
        ("interface CacheError {", "Tired(string detail);", "Tired (error)"),
    ],
)
def test_what_is_new_in_the_udl_is_missed_in_every_language(surface: Any, where: str, line: str, missing: str) -> None:
    named = surface.elements(UDL.replace(where, f"{where}\n{line}"))
    for language in surface.LANGUAGES:
        old = surface.elements(UDL)
        public = {surface.name_of(language, element) for element in old}
        text = "\n".join(f".{name.rpartition('.')[2]}() {name.rpartition('.')[0]}()" for name in public)
        assert surface.faults_of(language, old, public, text) == []
        [fault] = surface.faults_of(language, named, public, text)
        assert fault.startswith(f"{language}: ")
        assert missing in fault
        assert "add it" in fault
        untested = surface.faults_of(language, named, public | {surface.name_of(language, one) for one in named}, text)
        assert len(untested) == ("error" not in missing)
    if "option" in missing or "error" in missing:
        [fault] = surface.faults_of_vectors(named)
        assert "add it" in fault


def test_an_exception_for_what_is_gone_is_found(surface: Any) -> None:
    named = [element for element in surface.elements(UDL) if element.name != "handle"]
    assert any("StringClient.handle" in fault for fault in surface.faults_of("swift", named, set(), ""))
