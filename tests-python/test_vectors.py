"""The check that a suite ran every vector that is for it (conformance/check.py)."""

from __future__ import annotations

import importlib.util
from typing import Any

from vectors import ROOT

spec = importlib.util.spec_from_file_location("check", ROOT / "conformance" / "check.py")
assert spec is not None
assert spec.loader is not None
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)

CASES: list[dict[str, Any]] = [{"name": "one"}, {"name": "two", "suites": ["python"]}]
FILE = {"about": "a", "suites": ["rust", "python"], "why": "because", "cases": CASES}


def test_a_suite_that_ran_all_is_right() -> None:
    assert check.check("rust", {"a.json": FILE}, {"a.json": 1}) == []
    assert check.check("python", {"a.json": FILE}, {"a.json": 2}) == []
    assert check.check("swift", {"a.json": FILE}, {}) == []


def test_a_file_or_a_case_that_was_skipped_is_found() -> None:
    [fault] = check.check("python", {"a.json": FILE}, {})
    assert "did not run conformance/a.json" in fault
    [fault] = check.check("python", {"a.json": FILE}, {"a.json": 1})
    assert "ran 1 of the 2 cases" in fault
    [fault] = check.check("rust", {"a.json": FILE}, {"a.json": 1, "gone.json": 3})
    assert "gone.json" in fault


def test_a_head_says_who_runs_the_vectors_and_why_not_all() -> None:
    faulty = [
        ({**FILE, "why": ""}, "does not say why"),
        ({**FILE, "suites": ["rust", "pyhton"]}, "pyhton"),
        ({**FILE, "suites": []}, "lacks 'suites'"),
        ({**FILE, "cases": [{}]}, "without a name"),
        ({**FILE, "cases": [*CASES, *CASES]}, "the same one"),
    ]
    for file, fault in faulty:
        assert fault in "\n".join(check.faults_of_head("a.json", file))
