"""Every Python example of the documents runs, against a real memcached, and says what it shows.

The blocks of one document are one program. A line that is an expression with a comment holding a Python literal,
`client.get("a")  # 1`, is checked: the expression has to give that value.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from servers import Memcached

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    "README.md",
    "bindings/python/README.md",
    *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/*.md")),
]
WITH_EXAMPLES = [document for document in DOCUMENTS if "```python\n" in (ROOT / document).read_text()]


def program(text: str) -> str:
    """The Python blocks of a document, on the lines where they stand in it."""
    lines, inside = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = line == "```python"
            lines.append("")
        else:
            lines.append(line if inside else "")
    return "\n".join(lines)


def promised(line: str) -> list[Any]:
    """The value in the comment of a line, if there is one."""
    comment = re.search(r"  # (.+)$", line)
    try:
        return [ast.literal_eval(comment.group(1))] if comment else []
    except (SyntaxError, ValueError):
        return []


def run(source: str, name: str) -> int:
    """Runs a program, checks its promises and returns how many there were."""
    lines, variables, checked = source.splitlines(), {"__name__": name}, 0
    for statement in ast.parse(source, name).body:
        expected = promised(lines[(statement.end_lineno or statement.lineno) - 1])
        if isinstance(statement, ast.Expr) and expected:
            value = eval(compile(ast.Expression(statement.value), name, "eval"), variables)
            assert value == expected[0], f"{name}:{statement.lineno}: {value!r}, not {expected[0]!r}"
            checked += 1
        else:
            exec(compile(ast.Module([statement], []), name, "exec"), variables)
    return checked


@pytest.mark.parametrize("document", WITH_EXAMPLES)
def test_the_examples_of_a_document_run(document: str, server: Memcached) -> None:
    source = program((ROOT / document).read_text()).replace("127.0.0.1:11211", server.address)
    run(source, document)


def test_the_readme_shows_values_that_are_checked(server: Memcached) -> None:
    source = program((ROOT / "README.md").read_text()).replace("127.0.0.1:11211", server.address)
    assert run(source, "README.md") >= 3


def test_a_wrong_promise_is_noticed() -> None:
    with pytest.raises(AssertionError, match="2, not 3"):
        run("1 + 1  # 3", "wrong")


@pytest.mark.parametrize("document", [*DOCUMENTS, "CONTRIBUTING.md", "core/README.md"])
def test_every_link_to_a_file_leads_somewhere(document: str) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / document).read_text())
    missing = [target for target in targets if not (ROOT / document).parent.joinpath(target).exists()]
    assert missing == []
