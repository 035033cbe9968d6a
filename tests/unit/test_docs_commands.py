"""Every command line in the documentation is one that the command takes."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from uniobs.cli import args
from uniobs.cli.definitions import VERBS
from uniobs.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TYPED = re.compile(r"^\$ (uniobs .*)$|`(uniobs [^`\n]+)`", re.M)
ENDS = ("|", ">", "<", "2>&1", "2>/dev/null", "...", "#")


def lines(text: str) -> list[str]:
    """What is typed: behind a prompt, or between backticks."""
    return [(typed or quoted).replace("\\|", "|") for typed, quoted in TYPED.findall(text)]


def words(line: str) -> list[str]:
    """Of the first command in it."""
    found: list[str] = []
    for word in shlex.split(line.split(";")[0] if "'" not in line else line, comments=True):
        if word in ENDS:
            break
        found.append(word)
    return found[1:]


def parsed(line: str) -> None:
    """Raises UsageError when the command doesn't take it."""
    name, *rest = words(line)
    verb = f"{name} {rest[0]}" if rest and f"{name} {rest[0]}" in VERBS else name
    made_by = VERBS[verb][1] if verb in VERBS else f"uniobs.cli.commands.{name}:make_parser"
    module, _, attribute = made_by.partition(":")
    if verb in VERBS:
        rest = rest[1:]
    elif name == "core" and rest:
        module, attribute = "uniobs.cli.report.command", "make_parser"
    args.parse(getattr(import_module(module), attribute)(), rest)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_command_lines_are_taken(page: Path) -> None:
    for line in lines(page.read_text("utf-8")):
        name = words(line)[0] if words(line) else ""
        if not re.fullmatch("[a-z]+", name):
            continue  # uniobs COMMAND --help
        assert name in COMMANDS, line
        if "--help" not in line:
            parsed(line)


def test_the_documentation_shows_commands() -> None:
    shown = {words(line)[0] for page in PAGES for line in lines(page.read_text("utf-8")) if words(line)}
    assert {*COMMANDS} - shown <= {"completion"}
