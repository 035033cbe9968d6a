"""uniobs tui: found by its entry point, since the engine doesn't know its user interfaces."""

from uniobs.errors import NotOffered, UniobsError
from uniobs.model import registry


def run(argv: list[str]) -> int:
    try:
        command = registry.load(registry.COMMANDS, "tui")
    except UniobsError as error:
        raise NotOffered(f"the terminal UI isn't installed: {error}") from error
    return int(command(argv))
