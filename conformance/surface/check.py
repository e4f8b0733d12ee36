"""Checks that everything that core/src/cmemcache.udl names is public in every language, and tested there.

`.venv/bin/python conformance/surface/check.py`, behind `make build-python build-kotlin`; `make check-surface` does both. What
fails says what is missing where. A test counts when it calls the method, or names what is none.
"""

from __future__ import annotations

import json
import sys

from languages import PUBLIC, ROOT, TESTS, is_tested, tests
from names import ERRORS, EXCEPTIONS, LANGUAGES, name_of
from udl import Element, elements


def faults_of(language: str, named: list[Element], public: set[str], text: str) -> list[str]:
    """What one language lacks, one line each."""
    faults = []
    for element in named:
        name = name_of(language, element)
        if name.startswith("("):
            continue
        if name not in public:
            faults.append(
                f"{language}: {element} ({element.kind}) of the UDL is not public as {name}: add it to the wrapper, or to "
                f"EXCEPTIONS in conformance/surface/names.py with its name or, in parentheses, why there is none"
            )
        elif element.kind != "error" and not is_tested(element, name, text):
            faults.append(
                f"{language}: no test names {name} ({element.kind} {element} of the UDL): test it in {TESTS[language][0]}"
            )
    stale = EXCEPTIONS[language].keys() - {str(element) for element in named}
    faults += [
        f"{language}: EXCEPTIONS in conformance/surface/names.py names {one}, which the UDL does not" for one in stale
    ]
    return faults


def faults_of_vectors(named: list[Element]) -> list[str]:
    """What the vectors lack that every suite tests: the defaults of options, the names of errors."""
    options = json.loads((ROOT / "conformance/options.json").read_text(encoding="utf-8"))["cases"]
    has_default = {case["name"] for case in options} | {"address"}
    faults = [
        f"conformance/options.json has no case {one.name}: add it with its default, and to the four tests that read the file"
        for one in named
        if one.kind == "option" and one.name not in has_default
    ]
    faults += [
        f"conformance/errors.json has no case {one.name}: add it with its number and its name in each language"
        for one in named
        if one.kind == "error" and one.name not in ERRORS
    ]
    return faults


def main() -> None:
    named = elements((ROOT / "core/src/cmemcache.udl").read_text(encoding="utf-8"))
    faults = faults_of_vectors(named)
    for language in LANGUAGES:
        faults += faults_of(language, named, PUBLIC[language](), tests(language))
    if faults:
        sys.exit("\n".join(faults))
    print(f"all {len(named)} names of the UDL are public and tested in {', '.join(LANGUAGES)}")


if __name__ == "__main__":
    main()
