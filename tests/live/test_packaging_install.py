"""The built wheel, installed into an environment of its own, away from the source."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from uniobs import __version__
from uniobs.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
MODULES = "import uniobs_tui.main, uniobs_tui.app, uniobs_probes, uniobs; print(uniobs.__file__)"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.iterdir()
    return path


def uv(*words: str) -> None:
    program = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert program is not None, "uv isn't installed: make setup"
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def environment(folder: Path, wheel: Path, *how: str) -> Path:
    """Its bin folder."""
    uv("venv", "-q", "--python", sys.executable, str(folder))
    uv("pip", "install", "-q", "-p", str(folder / "bin" / "python"), *how, str(wheel))
    return folder / "bin"


def said(program: Path, *words: str, codes: tuple[int, ...] = (0,)) -> str:
    clean = {"PATH": "/usr/bin:/bin", "HOME": "/", "LC_ALL": "C.UTF-8", "XDG_CACHE_HOME": str(program.parent)}
    done = subprocess.run([program, *words], cwd="/", env=clean, capture_output=True, text=True, check=False)
    assert done.returncode in codes, done.stderr
    return done.stdout


def check(installed: Path) -> None:
    """The command, its modules, its manual, its completion."""
    prefix = installed.parent
    assert said(installed / "uniobs", "--version") == f"uniobs {__version__}\n"
    assert said(installed / "python", "-c", MODULES).startswith(str(prefix))
    assert '"rows"' in said(installed / "uniobs", "ls", "--json", codes=(0, 4))
    for name in COMMANDS:
        assert said(installed / "uniobs", name, "--help").startswith(f"usage: uniobs {name} "), name
    assert "symbol-index" in [p.name for p in prefix.glob("lib/*/site-packages/uniobs/image/native/*")]
    share = prefix / "share"
    if shutil.which("man"):
        shown = said(Path(shutil.which("man") or ""), "-M", str(share / "man"), "-P", "cat", "uniobs-ps")
        assert "uniobs ps [options] [TARGET]" in re.sub(r".\x08", "", shown)
    script = share / "bash-completion" / "completions" / "uniobs"
    assert script.read_text() == said(installed / "uniobs", "completion", "bash")


def test_wheel_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    """Its dependencies are those of this environment, nothing else of it is."""
    installed = environment(tmp_path / "env", wheel, "--no-deps", "--offline")
    (packages,) = (tmp_path / "env" / "lib").glob("*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    check(installed)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_wheel_with_the_dependencies_that_it_names(wheel: Path, tmp_path: Path) -> None:
    """What `pipx install` does: no more than the metadata say is there."""
    installed = environment(tmp_path / "env", wheel)
    check(installed)
    listing = "from importlib.metadata import distributions as d; print(*(one.name.lower() for one in d()))"
    names = said(installed / "python", "-c", listing).split()
    assert "textual" in names and not {"scapy", "drgn", "pytest", "textual-serve"} & {*names}
