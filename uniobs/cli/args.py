"""The command line's grammar: the first word that is no option is the target, the rest is the tool's."""

from collections.abc import Sequence

from uniobs.cli.plainargs import HIDDEN, Parser
from uniobs.errors import UsageError
from uniobs.lean import TYPE_CHECKING, Any, NoReturn

__all__ = ["Parser", "number_list", "parse", "parser", "positive", "split_target"]

if TYPE_CHECKING:
    import argparse


def _real(**kwargs: Any) -> "argparse.ArgumentParser":
    import argparse

    class OneLine(argparse.ArgumentParser):
        """A mistake is one line with exit code 2, and -h isn't ours where a tool has its own."""

        def error(self, message: str) -> NoReturn:
            raise UsageError(f"{message} ({self.prog} --help)")

    return OneLine(
        add_help=False, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
    )


def parser(
    command: str,
    about: str,
    *,
    words: str = "",
    target: bool = True,
    doc: str = "",
    force_is_own: bool = False,
) -> Parser:
    """A parser with what every command takes. ``words``: what may follow the target, for the usage line.
    ``force_is_own``: the command has a --force of its own."""
    usage = f"uniobs {command} [options]{' [TARGET]' if target else ''}{' ' + words if words else ''}"
    made = Parser(
        lambda: _real(prog=f"uniobs {command}", usage=usage, description=about, epilog=doc or None)
    )
    made.add_argument("words", nargs="*", help=HIDDEN)
    common = made.add_argument_group("on every command")
    common.add_argument("--help", action="help", help="this text")
    if target:
        common.add_argument(
            "-g", "--guest", metavar="NAME", help="the target, for names that look like something else"
        )
        common.add_argument(
            "--image", action="append", default=[], metavar="FILE", help="an ELF of the guest; repeatable"
        )
        common.add_argument(
            "--at", metavar="TIME", help="of a recording: +90s, -5s (before its end), 12:00:03, a date too"
        )
        debug_folders(common)
        if not force_is_own:
            common.add_argument(
                "--force",
                action="store_true",
                help="with --image: take it though it isn't the image in memory; every answer is unproven",
            )
    common.add_argument("--json", action="store_true", help="one JSON object; JSON lines when it streams")
    common.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="auto: only on a terminal"
    )
    return made


def debug_folders(group: Any) -> None:
    """--debug-dir, for commands that read images."""
    group.add_argument(
        "--debug-dir", action="append", default=[], metavar="DIR", help="debug files are here too; repeatable"
    )


def parse(made: Parser, argv: Sequence[str]) -> "argparse.Namespace":
    """Options and words in any order; after ``--`` everything is a word."""
    argv = list(argv)
    tail: list[str] = []
    if "--" in argv:
        cut = argv.index("--")
        argv, tail = argv[:cut], argv[cut + 1 :]
    if "--at" in argv[:-1]:  # a time before the end looks like an option
        at = argv.index("--at")
        argv[at : at + 2] = [f"--at={argv[at + 1]}"]
    options: argparse.Namespace = made.parse(argv)
    options.words = [*options.words, *tail]
    if getattr(options, "debug_dir", None):
        from uniobs.image.separate import add_folders

        add_folders(options.debug_dir)
    return options


def split_target(options: "argparse.Namespace") -> tuple[str | None, list[str]]:
    """(target or None, the tool's words)."""
    words: list[str] = options.words
    if getattr(options, "guest", None) is not None:
        return options.guest, words
    return (words[0], words[1:]) if words else (None, [])


def positive(kind: type[Any]) -> Any:
    """An argparse type: a finite number above zero."""

    def convert(text: str) -> Any:
        value = kind(text)
        if not 0 < value < 1e9:
            raise ValueError(text)
        return value

    convert.__name__ = "positive number"
    return convert


def number_list(text: str) -> list[int]:
    """An argparse type: 1,2,3."""
    return [int(part, 0) for part in text.replace(" ", ",").split(",") if part]


number_list.__name__ = "list of numbers"
