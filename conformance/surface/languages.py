"""What each language makes public, and what its tests name: the facts that the surface check compares."""

from __future__ import annotations

import enum
import inspect
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from udl import Element

ROOT = Path(__file__).resolve().parents[2]


def python() -> set[str]:
    """Classes, their members, fields and constructor arguments, by looking at the built package."""
    import cmemcache
    import cmemcache.testing

    classes = inspect.getmembers(cmemcache, inspect.isclass)
    classes += [(f"testing.{name}", getattr(cmemcache.testing, name)) for name in cmemcache.testing.__all__]
    found = {*cmemcache.__all__, *(name for name, _ in classes)}
    for name, kind in classes:
        members = set(dir(kind))
        members |= {field for base in kind.__mro__ for field in getattr(base, "__annotations__", {})}
        if issubclass(kind, enum.Enum):
            members |= set(kind.__members__)
        elif kind.__init__ is not object.__init__:
            members |= set(inspect.signature(kind).parameters)
        found |= {f"{name}.{member}" for member in members}
    return found


def kotlin() -> set[str]:
    """Classes, methods, properties and constants of the jar, as javap tells them."""
    jar = ROOT / "bindings/kotlin/target/cmemcache-0.1.0.jar"
    listed = subprocess.run(["jar", "tf", jar], check=True, capture_output=True, text=True).stdout.split()
    prefix = "io/github/cmemcache/"
    classes = [name[:-6] for name in listed if name.startswith(prefix) and name.endswith(".class")]
    classes = [name.replace("/", ".") for name in classes if re.fullmatch(r"(testing/)?[^/]+", name[len(prefix) :])]
    told = subprocess.run(["javap", "-public", "-cp", jar, *classes], check=True, capture_output=True, text=True).stdout
    found: set[str] = set()
    parents: dict[str, str] = {}
    owner = ""
    for line in told.splitlines():
        if head := re.match(
            r"(public|abstract|final|static| )*(?:class|interface|enum) io\.github\.cmemcache\.((?:testing\.)?[\w$]+)",
            line,
        ):
            owner = head[2].replace("$", ".")
            found.add(owner)
            if parent := re.search(r" extends io\.github\.cmemcache\.([\w$]+)", line):
                parents[owner] = parent[1].replace("$", ".")
        # Methods whose types are Kotlin's inline classes have a dash and a code behind their names.
        elif member := re.search(r"([\w$]+)(?:-[\w-]+)?(\(|;)", line):
            name = member[1]
            if member[2] == "(" and (read := re.fullmatch(r"get([A-Z]\w*)", name)):
                found.add(f"{owner}.{read[1][0].lower()}{read[1][1:]}")
            found.add(f"{owner}.{name}")
    for child, parent in parents.items():
        found |= {f"{child}.{name[len(parent) + 1 :]}" for name in found if name.startswith(f"{parent}.")}
    return found


def _indented(file: Path, owner: str, member: str) -> Iterator[str]:
    """Types and members of a source file that a formatter has indented by four columns.

    `owner` finds a line that opens a type, `member` one that declares something in it; the names are their last groups.
    """
    owners: dict[int, str] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        indent = len(line) - len(line.lstrip())
        if opened := re.match(owner, line.strip()):
            owners = {depth: name for depth, name in owners.items() if depth < indent} | {
                indent: opened[opened.lastindex]
            }
            yield opened[opened.lastindex]
        elif (declared := re.match(member, line.strip())) and (depth := indent - 4) in owners:
            names = re.findall(r"(?:^|, )`?(\w+)", declared[declared.lastindex])
            yield from (f"{owners[depth]}.{name}" for name in names)


def swift() -> set[str]:
    """Public declarations of the package's sources."""
    owner = r"(?:public )?(?:final |indirect )?(?:extension|class|struct|enum|protocol) (\w+)"
    member = (
        r"(?:@\w+ )*(?:public (?:internal\(set\) )?(?:convenience )?(?:static )?(?:func|var|let) (`?\w+)"
        r"|public (?:convenience )?(init)|case (\w+(?:\([^)]*\))?(?:, \w+(?:\([^)]*\))?)*)$)"
    )
    sources = (ROOT / "bindings/swift/Sources/CMemcache").glob("*.swift")
    found = {name for file in sources for name in _indented(file, owner, member)}
    # StringClient has what its protocol has.
    return found | {
        name.replace("CacheClient.", "StringClient.", 1) for name in found if name.startswith("CacheClient.")
    }


def rust() -> set[str]:
    """Public declarations of the crate's sources."""
    owner = r"(?:pub (?:struct|enum)|impl(?:<[^>]*>)?) (\w+)"
    member = r"(?:pub (?:const )?fn (\w+)|pub (\w+):|([A-Z]\w*)(?:,| =|\(|\s*\{))"
    return {name for file in (ROOT / "core/src").rglob("*.rs") for name in _indented(file, owner, member)}


PUBLIC = {"rust": rust, "python": python, "kotlin": kotlin, "swift": swift}

TESTS = {
    "rust": ("core/tests/**/*.rs", "core/src/**/tests/*.rs", "core/src/**/tests.rs"),
    "python": ("tests-python/*.py",),
    "kotlin": ("tests-kotlin/src/**/*.kt", "tests-kotlin/src/**/*.java"),
    "swift": ("tests-swift/Tests/**/*.swift",),
}


def tests(language: str) -> str:
    """The text of all tests of a language, without comments."""
    files = [file for pattern in TESTS[language] for file in sorted(ROOT.glob(pattern))]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return re.sub(r"(?m)^\s*#.*$" if language == "python" else r"(?m)^\s*(//|\*|/\*).*$", "", text)


#: Methods of the UDL, which knows no properties, that are properties in most languages.
PROPERTIES = ("port", "address")


def is_tested(element: Element, name: str, text: str) -> bool:
    """Whether tests call a method or constructor of this name, or name anything else so. A type is tested by its members."""
    owner, _, member = name.rpartition(".")
    owner = owner.removeprefix("testing.")
    if element.kind == "type":
        return True
    if element.name == "constructor":
        pattern = rf"\b{owner}(::new)?\("
    elif element.kind == "method" and member not in PROPERTIES:
        pattern = rf"[.:]{member}\b\s*(<[^>\n]*>)?\s*[({{]"
    else:
        pattern = rf"\b{member}\b"
    return re.search(pattern, text) is not None
