"""Marks the wheel as one for this platform and for every Python 3: it holds a native library that is loaded with ctypes."""

from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel

GENERATED = Path(__file__).parent / "cmemcache" / "_ffi"


class PlatformWheel(bdist_wheel):
    """A wheel tagged `py3-none-<platform>`."""

    def run(self) -> None:
        """Builds the wheel, if there is a library to put in it."""
        if not (GENERATED / "cmemcache.py").exists() or not list(GENERATED.glob("libcmemcache.*")):
            raise SystemExit("cmemcache: the native library was not built; run `make build-python` first")
        super().run()

    def get_tag(self) -> "tuple[str, str, str]":
        """Python 3, no ABI, this platform."""
        return "py3", "none", super().get_tag()[2]


class NativeDistribution(Distribution):
    """A distribution with native code."""

    def has_ext_modules(self) -> bool:
        """Makes the wheel one for a platform."""
        return True


setup(cmdclass={"bdist_wheel": PlatformWheel}, distclass=NativeDistribution)
