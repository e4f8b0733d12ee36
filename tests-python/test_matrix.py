"""How the matrix of writers and readers (conformance/matrix.py) judges its cells, without running it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from vectors import ROOT

MODULES = ("document", "expected", "matrix")


@pytest.fixture
def matrix(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(ROOT / "conformance"))
    import matrix

    yield matrix
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"float": "0.0"}, {"float": "-0.0"}),
        ({"float": "1.0"}, {"integer": "1"}),
        ({"text": "1"}, {"integer": "1"}),
        ({"boolean": True}, {"integer": "1"}),
        ({"null": True}, {"boolean": True}),
        ({"list": [{"null": True}]}, {"list": []}),
        ({"map": {"a": {"integer": "1"}}}, {"map": {"b": {"integer": "1"}}}),
    ],
)
def test_values_that_differ_in_type_sign_or_content_are_not_the_same(
    matrix: Any, one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert not matrix.is_same(one, other)
    assert matrix.is_same(one, one)
    assert matrix.is_same(other, other)
    assert matrix.outcome_of(one, {"value": other}).startswith("read as")
    assert matrix.outcome_of(one, {"value": one}) == "same"
    assert matrix.is_same({"float": "nan"}, {"float": "NaN"})
    assert matrix.is_same({"float": "1e+300"}, {"float": "1.0E300"})


def test_what_no_rule_expects_fails(matrix: Any) -> None:
    for outcome in ("not found", "read as other text", "refused: TimeoutError"):
        _, faults = matrix.notes_of({("Python", "Swift", "ASCII text"): outcome})
        assert f"ASCII text from Python to Swift: {outcome}" in faults[0]
    _, faults = matrix.notes_of({("Python", "", "ASCII text"): "not written: ValueError"})
    assert "ASCII text from Python" in faults[0]


def test_a_rule_that_nothing_needs_fails(matrix: Any) -> None:
    _, faults = matrix.notes_of({("Python", "Kotlin", "ASCII text"): "same"})
    assert len(faults) == len(sys.modules["expected"].RULES)


def test_every_cell_of_the_committed_document_is_the_same_or_has_a_note(matrix: Any) -> None:
    text = (ROOT / "docs/conformance.md").read_text(encoding="utf-8")
    readers = [name for name, client in matrix.clients("").items() if client.reads]
    rows = [line.strip("| ").split(" | ") for line in text.split("## Written by", 1)[1].splitlines() if line[:1] == "|"]
    cells = [row for row in rows if row[0] in matrix.VALUES]
    assert len(cells) == len(matrix.VALUES) * len(matrix.clients(""))
    for row in cells:
        assert len(row) == 1 + len(readers) or "not written" in row[1]
        assert all(cell == "same" or cell.endswith("]") for cell in row[1:] if cell.strip("| "))
