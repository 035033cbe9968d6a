"""Completion, asked of the shells themselves."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from uniobs.cli.completion import SHELLS, script
from uniobs.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "$(touch caught)"
NAMES = ("kv", "kv two", HOSTILE)
TRY = """
COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _uniobs
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT=; autoload -Uz compinit; $1; stty cols 200; echo READY"
while zpty -r shell line && [[ $line != *READY* || $line == *echo* ]]; do :; done
zpty -w -n shell "$2"$'\\t'
zpty -w -n shell $'\\C-a'"print -r -- GOT:"$'\\C-e\\n'
while zpty -r shell line; do
    [[ $line == GOT:* ]] && { print -r -- $line; break; }
done
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Scripts, a file, and a `uniobs` that knows of three guests."""
    for shell in SHELLS:
        (tmp_path / f"script.{shell}").write_text(script(shell))
    (tmp_path / "kv core").touch()
    program = tmp_path / "bin" / "uniobs"
    program.parent.mkdir()
    lines = "".join(f"{name}\tqemu microvm, pid 4711\n" for name in NAMES)
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{lines}END\n")
    program.chmod(0o755)
    return tmp_path


def run(folder: Path, *command: str) -> list[str]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]}")
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder)}
    environment |= {"XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder), "TERM": "dumb"}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [line for line in done.stdout.splitlines() if line]


def bash(folder: Path, *words: str) -> list[str]:
    return run(folder, "bash", "-c", f"source script.bash\n{TRY}", "bash", *words)


def fish(folder: Path, line: str) -> dict[str, str]:
    lines = run(folder, "fish", "--no-config", "-c", f"source script.fish; complete -C '{line}'")
    return dict((*line.split("\t"), "")[:2] for line in lines)


def test_bash_commands(folder: Path) -> None:
    assert {*bash(folder, "uniobs", "")} == {*COMMANDS, "help", "--help", "--version"}
    assert bash(folder, "uniobs", "symb") == ["symbolise"]
    assert bash(folder, "uniobs", "help", "tcp") == ["tcpdump"]


def test_bash_options_and_their_values(folder: Path) -> None:
    assert bash(folder, "uniobs", "ps", "--so") == ["--sort"]
    assert bash(folder, "uniobs", "ps", "--color", "=", "al") == ["always"]
    assert bash(folder, "uniobs", "ps", "--color", "n") == ["never"]
    assert bash(folder, "uniobs", "ps", "-o", "tid,wch") == ["tid,wchan"]
    assert bash(folder, "uniobs", "core", "take", "kv", "--com") == ["--compress"]
    assert bash(folder, "uniobs", "why", "--image", "kv") == ["kv core"]


def test_bash_guests_and_files(folder: Path) -> None:
    assert bash(folder, "uniobs", "why", "k") == ["kv", "kv two", "kv core"]
    assert bash(folder, "uniobs", "why", "-g", "k") == ["kv", "kv two"]
    assert bash(folder, "uniobs", "core", "t") == ["take"]
    assert bash(folder, "uniobs", "core", "take", "kv t") == ["kv two"]
    assert bash(folder, "uniobs", "diff", "a", "kv") == ["kv core"]
    assert bash(folder, "uniobs", "tcpdump", "-n", "kv", "") == []  # a filter
    assert bash(folder, "uniobs", "shell", "kv", "--", "") == []


def test_bash_runs_nothing_that_a_guest_is_called(folder: Path) -> None:
    assert HOSTILE in bash(folder, "uniobs", "why", "")
    assert not (folder / "caught").exists()


def test_fish(folder: Path) -> None:
    assert {*fish(folder, "uniobs ")} == {*COMMANDS, "help"}
    assert fish(folder, "uniobs symb") == {"symbolise": COMMANDS["symbolise"]}
    guest = "qemu microvm, pid 4711"
    assert fish(folder, "uniobs why k") == {"kv": guest, "kv two": guest, "kv core": ""}
    assert {*fish(folder, "uniobs core take --f")} == {"--fix", "--force"}
    assert {*fish(folder, "uniobs ps --color al")} == {"always"}
    assert {*fish(folder, "uniobs ps -o tid,wch")} == {"tid,wchan"}
    assert "take" in fish(folder, "uniobs core ") and "take" not in fish(folder, "uniobs core take ")
    assert not (folder / "caught").exists()


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("uniobs symb", "uniobs symbolise"),
        ("uniobs ps --color al", "uniobs ps --color always"),
        ("uniobs ps -o tid,wch", "uniobs ps -o tid,wchan"),
        ("uniobs core take --comp", "uniobs core take --compress"),
        ("uniobs why kv\\ t", "uniobs why kv two"),
        ("uniobs completion fi", "uniobs completion fish"),
    ],
)
@pytest.mark.parametrize("how", ["compinit -u -D; source script.zsh", "fpath=($PWD $fpath); compinit -u -D"])
def test_zsh(folder: Path, how: str, typed: str, wanted: str) -> None:
    shutil.copy(folder / "script.zsh", folder / "_uniobs")
    (got,) = run(folder, "zsh", "-f", "-c", ZSH, "zsh", how, typed)
    assert got.removeprefix("GOT:").strip() == wanted


def test_guests_are_named_without_what_takes_long() -> None:
    code = "import sys; from uniobs.cli.main import main; main(['completion', '--guests']); "
    code += "sys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    heavy = {"numpy", "argparse", "textual", "elftools", "uniobs_probes", "uniobs.target.guest"}
    assert not heavy & {*done.stderr.split()}
