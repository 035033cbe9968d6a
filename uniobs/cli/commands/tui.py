"""uniobs tui: found by its entry point, since the engine doesn't know its user interfaces."""

import sys
from typing import Any

from uniobs.cli import args
from uniobs.errors import NotOffered, UniobsError
from uniobs.model import registry


def run(argv: list[str]) -> int:
    return int(_command()(argv))


def make_parser() -> args.Parser:
    """The user interface's own."""
    made: args.Parser = sys.modules[_command().__module__].make_parser()
    return made


def _command() -> Any:
    try:
        return registry.load(registry.COMMANDS, "tui")
    except UniobsError as error:
        raise NotOffered(f"the terminal UI isn't installed: {error}") from error
