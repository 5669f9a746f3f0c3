"""What `pip install .` puts on a machine: a real build of a copy without what a clone has not, in a new environment.

The new environment sees the libraries of the one that runs the tests, and the build uses its setuptools: nothing here
needs the network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from msgspec import Struct

ROOT = Path(__file__).parents[2]
FOLDERS = ("core", "tui", "migrations")
_NOT_CLONED = (".git", ".venv", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis", "build", "dist")
_MAKE_SDIST = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"


class Built(Struct, frozen=True, kw_only=True):
    """What was built: a wheel from the sources, an sdist, and a wheel from the sdist."""

    wheel: Path
    sdist: Path
    wheel_of_sdist: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build in folders that have never seen a build: what one leaves behind gets into the next."""
    work = tmp_path_factory.mktemp("built")
    _run(sys.executable, "-P", "-c", _MAKE_SDIST, str(work), cwd=_clone(work / "for-sdist"))
    sdist = next(work.glob("*.tar.gz"))
    _run(sys.executable, "-m", "tarfile", "-e", str(sdist), str(work / "unpacked"))
    return Built(
        wheel=_wheel(_clone(work / "for-wheel"), work / "wheel"),
        sdist=sdist,
        wheel_of_sdist=_wheel(next((work / "unpacked").iterdir()), work / "wheel-of-sdist"),
    )


@pytest.fixture(scope="module")
def environment(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment of its own; return that one's folder."""
    folder = tmp_path_factory.mktemp("installed")
    _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    _pip("--python", str(folder / "bin" / "python"), "install", "--no-deps", "--no-index", str(built.wheel))
    # A path in a .pth file is searched after ours, and .pth files there are not read: one of them is the editable
    # installation of this checkout.
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (_site_packages(folder) / "libraries.pth").write_text("\n".join(libraries))
    return folder


def _clone(folder: Path) -> Path:
    return shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*_NOT_CLONED), symlinks=True)


def _wheel(sources: Path, into: Path) -> Path:
    _pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(into), str(sources))
    return next(into.glob("*.whl"))


def _pip(*words: str) -> None:
    _run(sys.executable, "-m", "pip", "--disable-pip-version-check", *words)


def _run(*words: str, cwd: Path = Path("/")) -> str:
    done = subprocess.run(
        words,
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _site_packages(environment: Path) -> Path:
    return next((environment / "lib").glob("python*/site-packages"))


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _sources() -> dict[str, bytes]:
    """Return the files of the product as they have to be in a wheel."""
    files = (file for folder in FOLDERS for file in (ROOT / folder).rglob("*") if file.is_file())
    return {
        f"changeover/{file.relative_to(ROOT)}": file.read_bytes() for file in files if "__pycache__" not in file.parts
    }


def test_the_list_of_packages_names_every_folder_with_modules() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    on_disk = {
        f"changeover.{'.'.join(file.parent.relative_to(ROOT).parts)}"
        for folder in FOLDERS
        for file in (ROOT / folder).rglob("*.py")
    }
    assert len(declared) == len(set(declared))
    assert set(declared) == on_disk
    assert all((ROOT / Path(*name.split(".")[1:]) / "__init__.py").exists() for name in declared)


def test_the_wheel_holds_every_file_of_the_product_and_nothing_else(built: Built) -> None:
    contents = _contents(built.wheel)
    information = {name for name in contents if name.split("/")[0].endswith(".dist-info")}
    assert {name: contents[name] for name in contents.keys() - information} == _sources()
    assert {Path(name).name for name in information} >= {"METADATA", "LICENSE", "entry_points.txt"}


def test_a_wheel_that_is_built_from_the_sdist_is_the_same(built: Built) -> None:
    assert _contents(built.wheel_of_sdist) == _contents(built.wheel)


def test_an_installation_adds_one_package_and_one_command(environment: Path) -> None:
    release = version("changeover")
    there = {entry.name for entry in _site_packages(environment).iterdir()} - {"libraries.pth"}
    assert there == {"changeover", f"changeover-{release}.dist-info"}
    modules = "import importlib.util as u; print([n for n in ('core', 'tui', 'migrations') if u.find_spec(n)])"
    assert _run(str(environment / "bin" / "python"), "-c", modules) == "[]\n"
    assert _run(str(environment / "bin" / "changeover"), "--version").split()[-1] == release


def test_the_demo_runs_to_its_receipt_from_an_installed_wheel(environment: Path) -> None:
    where = _run(str(environment / "bin" / "python"), "-c", "import changeover.core as it; print(it.__file__)")
    assert where.startswith(str(environment))
    assert _run(str(environment / "bin" / "changeover"), "demo", "--plain", "--yes").startswith("RECEIPT  applied")
