"""What is installed: three packages, the command, its entry points, and nothing that isn't locked."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from uniobs.cli.definitions import definitions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = directory.iterdir()
    return zipfile.ZipFile(path)


def test_wheel_holds_the_three_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {"uniobs", "uniobs_probes", "uniobs_tui"} <= tops
    others = tops - {"uniobs", "uniobs_probes", "uniobs_tui"}
    assert {Path(top).suffix for top in others} == {".dist-info", ".data"}
    for package in ("uniobs", "uniobs_probes", "uniobs_tui"):
        assert f"{package}/py.typed" in wheel.namelist()
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_wheel_carries_manual_pages_and_completion(wheel: zipfile.ZipFile) -> None:
    shared = {name.split(".data/data/share/")[1] for name in wheel.namelist() if ".data/data/" in name}
    manual = {f"man/man1/{one.file}.1" for one in definitions()} | {"man/man1/uniobs.1"}
    completion = {
        "bash-completion/completions/uniobs",
        "zsh/site-functions/_uniobs",
        "fish/vendor_completions.d/uniobs.fish",
    }
    assert shared == manual | completion


def test_source_distribution_makes_the_same_wheel(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build"]
    subprocess.run([*build, "-t", "sdist", "-d", str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    (path,) = tmp_path.iterdir()
    subprocess.run(["tar", "-xf", path], cwd=tmp_path, check=True)
    source = tmp_path / path.name.removesuffix(".tar.gz")
    there = {file.relative_to(source).as_posix() for file in source.rglob("*") if file.is_file()}
    wanted = "LICENSE README.md requirements.lock Makefile docs/index.md tests/conftest.py".split()
    wanted += [f"guest-stubs/{name}" for name in ("SPEC.md", "include/uniobs/uniobs.h", "demo/boot.py")]
    assert not {*wanted} - there
    built = [name for name in there if name.endswith((".o", ".elf", ".pyc", "symbol-index", ".core"))]
    assert not built
    made = tmp_path / "wheel"
    subprocess.run([*build, "-t", "wheel", "-d", str(made)], cwd=source, check=True, capture_output=True)
    (again,) = made.iterdir()
    with zipfile.ZipFile(again) as other:
        assert {*other.namelist()} == {*wheel.namelist()}


def test_the_stub_can_be_vendored_with_its_licence() -> None:
    assert (ROOT / "guest-stubs" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_every_entry_point_can_be_loaded() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    points = [point for group in project["entry-points"].values() for point in group.values()]
    code = "import importlib, sys\nfor p in sys.argv[1:]:\n    m, _, a = p.partition(':')\n"
    code += "    module = importlib.import_module(m)\n    assert not a or hasattr(module, a), p"
    subprocess.run([sys.executable, "-c", code, *points, *project["scripts"].values()], check=True)


def test_lock_file_is_pinned_hashed_and_names_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock and "index-url" not in lock
    packages = re.split(r"\n(?=\S)", lock.strip())
    for package in packages:
        assert re.match(r"[a-z0-9-]+==\S+", package), package
        assert "--hash=sha256:" in package, package
    names = {package.split("==")[0] for package in packages}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted += [name for extra in project["project"]["optional-dependencies"].values() for name in extra]
    assert {re.split(r"[<>=;\[ ]", name)[0] for name in wanted} <= names


def test_wheel_carries_the_symbol_indexer_and_its_platform(wheel: zipfile.ZipFile) -> None:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    program = wheel.getinfo("uniobs/image/native/symbol-index")
    assert program.external_attr >> 16 & 0o111 == 0o111
    assert wheel.read(program)[:4] == b"\x7fELF"
    assert not [name for name in wheel.namelist() if name.endswith((".c", ".h"))]
    assert "-py3-none-linux_" in str(wheel.filename)


def test_wheel_without_a_compiler_is_pure_and_says_so(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    left_out = (".*", "symbol-index", "tests", "guest-stubs", "build", "dist", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*left_out))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "out")]
    bare = {"PATH": "/none"}
    done = subprocess.run(command, cwd=copy, check=True, capture_output=True, text=True, env=bare)
    assert "symbols are read slowly" in done.stderr + done.stdout
    (path,) = (tmp_path / "out").iterdir()
    assert path.name.endswith("-py3-none-any.whl")
    assert "uniobs/image/native/symbol-index" not in zipfile.ZipFile(path).namelist()
