"""Checks that a suite ran every vector that is meant for it: `python3 conformance/check.py rust`.

Each suite writes, for every file of vectors, how many cases it ran to target/vectors/SUITE/FILE. Here these numbers are held
against the files, so that neither a file nor a case can be skipped unseen. `make test-SUITE` removes the numbers of earlier
runs before and calls this after the tests.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

SUITES = ("rust", "python", "kotlin", "swift")
HERE = Path(__file__).resolve().parent
RAN = HERE.parent / "target" / "vectors"


def suites_of(file: dict[str, Any], case: dict[str, Any]) -> list[str]:
    """The suites that a case is for."""
    return case.get("suites", file["suites"])


def faults_of_head(name: str, file: dict[str, Any]) -> list[str]:
    """What is wrong with a file of vectors itself."""
    faults = [f"{name} lacks {part!r}" for part in ("about", "suites", "cases") if not file.get(part)]
    if faults:
        return faults
    named = [suites_of(file, case) for case in file["cases"]]
    unknown = {suite for suites in (file["suites"], *named) for suite in suites} - set(SUITES)
    if unknown:
        faults.append(f"{name} names unknown suites: {sorted(unknown)}")
    if any(set(suites) != set(SUITES) for suites in named) and not file.get("why"):
        faults.append(f"{name} leaves suites out and does not say why: give it a `why`")
    names = [case.get("name") for case in file["cases"]]
    if None in names or len(set(names)) < len(names):
        faults.append(f"{name} has cases without a name, or with the same one")
    return faults


def check(suite: str, vectors: dict[str, dict[str, Any]], ran: dict[str, int]) -> list[str]:
    """What is wrong, one line each: heads, files that were not read, cases that were not run."""
    faults = [fault for name, file in vectors.items() for fault in faults_of_head(name, file)]
    for name, file in vectors.items():
        cases = sum(suite in suites_of(file, case) for case in file.get("cases", []))
        if cases and name not in ran:
            faults.append(f"the {suite} suite did not run conformance/{name}: write a test that does")
        elif ran.get(name, 0) != cases:
            faults.append(f"the {suite} suite ran {ran[name]} of the {cases} cases that conformance/{name} has for it")
    faults += [
        f"the {suite} suite ran {name}, which is no file of conformance/" for name in ran.keys() - vectors.keys()
    ]
    return faults


def main(suite: str) -> None:
    vectors = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in sorted(HERE.glob("*.json"))}
    folder = RAN / suite
    ran = {file.name: int(file.read_text()) for file in folder.iterdir()} if folder.is_dir() else {}
    faults = check(suite, vectors, ran)
    if faults:
        sys.exit("\n".join(faults))
    print(f"the {suite} suite ran all {sum(ran.values())} cases of {len(ran)} files of vectors")


if __name__ == "__main__":
    main(sys.argv[1])
