"""The commands there are: each module of a group adds its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from uniobs.image.types_expr import Operand
from uniobs.model.guest import Thread

if TYPE_CHECKING:
    from uniobs.cli.shell.state import Shell

Dot = Operand | Thread
Completes = Literal["", "expression", "type", "thread", "symbol", "walk", "command", "setting"]


@dataclass(frozen=True, slots=True)
class Call:
    """How a command was called. ``dot``: what stood before ``::`` or came through a pipe."""

    arguments: str = ""
    format: str = ""
    dot: Dot | None = None


Run = Callable[["Shell", Call], int]
Produce = Callable[["Shell", Call], Iterator[Dot]]


@dataclass(frozen=True, slots=True)
class Command:
    """``produces``: what it hands to a pipe, when it's more than text."""

    name: str
    run: Run
    usage: str
    about: str
    completes: Completes = ""
    produces: Produce | None = None
    group: str = ""


COMMANDS: dict[str, Command] = {}
ALIASES: dict[str, str] = {}


def command(
    name: str,
    usage: str,
    about: str,
    *,
    completes: Completes = "",
    produces: Produce | None = None,
    group: str = "",
    also: tuple[str, ...] = (),
) -> Callable[[Run], Run]:
    """Registers a function as ``::name``."""

    def register(run: Run) -> Run:
        COMMANDS[name] = Command(name, run, usage, about, completes, produces, group)
        for alias in also:
            ALIASES[alias] = name
        return run

    return register


def find(name: str) -> Command | None:
    return COMMANDS.get(ALIASES.get(name, name))


def names() -> set[str]:
    return {*COMMANDS, *ALIASES}
