"""The package as such: its names, its types, its version and what it says when it was not built."""

from __future__ import annotations

import ctypes
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cmemcache

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "bindings" / "python" / "cmemcache"


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments, "-c", program], capture_output=True, text=True, check=False)


def test_all_lists_every_public_name_and_nothing_else() -> None:
    public = {
        name
        for name, value in vars(cmemcache).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name not in ("annotations", "Callable")
    }
    assert set(cmemcache.__all__) == public | {"__version__"}
    assert len(cmemcache.__all__) == len(set(cmemcache.__all__))


def test_everything_public_is_documented() -> None:
    for name in cmemcache.__all__:
        value = getattr(cmemcache, name)
        if not inspect.isclass(value) or not value.__module__.startswith("cmemcache"):
            continue
        assert inspect.getdoc(value), name
        for member, function in inspect.getmembers(value, inspect.isfunction):
            if not member.startswith("_"):
                assert inspect.getdoc(function), f"{name}.{member}"


def test_both_clients_have_the_same_administration() -> None:
    shared = ["set_servers", "flush_all", "get_stats", "version", "metrics", "close", "disconnect_all", "metadata"]
    for name in shared:
        assert getattr(cmemcache.Client, name) is getattr(cmemcache.StringClient, name)


def test_the_version_is_the_same_everywhere() -> None:
    for name in ("bindings/python/pyproject.toml", "Cargo.toml"):
        version = re.search(r'^version = "(.*)"$', (ROOT / name).read_text(), re.MULTILINE)
        assert version is not None
        assert version[1] == cmemcache.__version__, name


def test_the_package_is_typed_strictly() -> None:
    outcome = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout
    assert (PACKAGE / "py.typed").exists()


def test_types_tell_what_the_methods_give(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import cmemcache\n"
        "strings = cmemcache.StringClient([])\n"
        "reveal_type(strings.get('key'))\n"
        "reveal_type(strings.get('key', b'default'))\n"
        "reveal_type(strings.gets('key'))\n"
        "reveal_type(strings.get_multi(['key']))\n"
        "reveal_type(cmemcache.Client([]).incr('key'))\n"
        "strings.set('key', 5)\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "mypy.ini"), str(program)]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    revealed = re.findall(r'Revealed type is "([^"]*)"', outcome.stdout)
    plain = [kind.replace("builtins.", "") for kind in revealed]
    assert plain[0] == "bytes | None"
    assert plain[1] == "bytes"
    assert "Item" in plain[2]
    assert plain[3].startswith("dict[")
    assert plain[3].endswith("bytes]")
    assert plain[4] == "int | None"
    assert "incompatible type" in outcome.stdout


def test_import_pulls_in_nothing_beyond_the_standard_library() -> None:
    # -I and -S leave out what else is installed.
    program = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); import cmemcache; print(cmemcache.__version__)"
    outcome = run(program, "-I", "-S")
    assert outcome.stdout.strip() == cmemcache.__version__, outcome.stderr


def test_a_package_without_its_library_says_what_to_do(tmp_path: Path) -> None:
    copy = tmp_path / "cmemcache"
    (copy / "_ffi").mkdir(parents=True)
    for source in PACKAGE.glob("*.py"):
        (copy / source.name).write_text(source.read_text())
    (copy / "_ffi" / "__init__.py").write_text("")
    outcome = run(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import cmemcache")
    assert "ImportError: cmemcache was not built" in outcome.stderr
    assert "make build-python" in outcome.stderr
    (copy / "_ffi" / "cmemcache.py").write_text((PACKAGE / "_ffi" / "cmemcache.py").read_text())
    outcome = run(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import cmemcache")
    assert "ImportError: cmemcache cannot load its native library" in outcome.stderr


@pytest.mark.parametrize(("name", "value"), [("library_version", "'9.9.9'"), ("packed_layout_version", "99")])
def test_a_library_of_another_version_is_refused(tmp_path: Path, name: str, value: str) -> None:
    copy = tmp_path / "cmemcache"
    (copy / "_ffi").mkdir(parents=True)
    for source in (*PACKAGE.glob("*.py"), PACKAGE / "_ffi" / "__init__.py"):
        (copy / source.relative_to(PACKAGE)).write_text(source.read_text())
    shutil.copy(PACKAGE / "_crossing.abi3.so", copy)
    generated = (PACKAGE / "_ffi" / "cmemcache.py").read_text()
    (copy / "_ffi" / "cmemcache.py").write_text(generated + f"\ndef {name}(): return {value}\n")
    for library in (PACKAGE / "_ffi").glob("libcmemcache.*"):
        (copy / "_ffi" / library.name).symlink_to(library)
    outcome = run(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import cmemcache")
    assert "ImportError: cmemcache 0.1.0 (packed layout 2) found a native library" in outcome.stderr
    assert value.strip("'") in outcome.stderr


def test_crossing_c_knows_the_layout_of_the_generated_status() -> None:
    generated = cmemcache._native.generated
    status, buffer = generated._UniffiRustCallStatus, generated._UniffiRustBuffer
    assert [field for field, _ in status._fields_] == ["code", "error_buf"]
    assert [field for field, _ in buffer._fields_] == ["capacity", "len", "data"]
    sizes = (ctypes.sizeof(status), status.error_buf.offset, buffer.len.offset, buffer.data.offset)
    assert sizes == (32, 8, 8, 16)
