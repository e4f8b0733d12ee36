"""Builds the module in C, and a wheel for one platform and every Python from 3.10 on that holds it and the native library."""

from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel

GENERATED = Path(__file__).parent / "cmemcache" / "_ffi"


class Wheel(bdist_wheel):
    """A wheel tagged `cp310-abi3-<platform>`."""

    def run(self) -> None:
        """Builds the wheel, if there is a library to put in it."""
        if not (GENERATED / "cmemcache.py").exists() or not list(GENERATED.glob("libcmemcache.*")):
            raise SystemExit("cmemcache: the native library was not built; run `make build-python` first")
        super().run()


setup(
    cmdclass={"bdist_wheel": Wheel},
    ext_modules=[
        Extension(
            "cmemcache._crossing",
            ["crossing.c"],
            py_limited_api=True,
            extra_compile_args=["-std=c11", "-O2", "-Wall", "-Wextra"],
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
