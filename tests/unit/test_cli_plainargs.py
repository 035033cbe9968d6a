"""The plain parser says what argparse says, or leaves it to argparse: on every command's declarations."""

import random
from collections.abc import Sequence
from importlib import import_module

import pytest

from uniobs.cli import args
from uniobs.cli.main import COMMANDS
from uniobs.cli.plainargs import NotPlain, Parser
from uniobs.errors import UsageError

WORDS = ["kv", "1", "-1", "-", "tcp", "a=b", "--", "--nonsense", "-Z", "--image", "--image=x", "--json", "-h"]
WORDS += ["--color", "--color=never", "--help", "", "-e x", "-o=1", "1,2", "0x10", "--at=-5s", "5"]


class Captured(Exception):
    pass


def parser_of(command: str, monkeypatch: pytest.MonkeyPatch) -> Parser:
    found: list[Parser] = []

    def capture(made: Parser, argv: Sequence[str]) -> None:
        found.append(made)
        raise Captured

    monkeypatch.setattr(args, "parse", capture)
    for words in ([], ["show"]):
        try:
            import_module(f"uniobs.cli.commands.{command}").run(words)
        except Captured:
            return found[0]
        except UsageError:
            continue
    pytest.skip(f"{command} declares no options of its own")


@pytest.mark.parametrize("command", COMMANDS)
def test_as_argparse_or_not_at_all(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = parser_of(command, monkeypatch)
    flags = [flag for _, names, _ in made.declared for flag in names if flag.startswith("-")]
    short = [flag[1] for flag in flags if len(flag) == 2]
    rng = random.Random(7)
    plain = 0
    for _ in range(400):
        argv = []
        for _ in range(rng.randrange(5)):
            kind = rng.random()
            if kind < 0.5:
                argv.append(rng.choice(WORDS))
            elif kind < 0.8 or not short:
                argv.append(rng.choice(flags))
            else:
                argv.append("-" + "".join(rng.choices(short, k=rng.randrange(1, 4))) + rng.choice(["", "5"]))
        if "--" in argv:  # args.parse cuts it off
            continue
        try:
            mine = vars(made._plain(argv))
        except NotPlain:
            continue
        plain += 1
        assert mine == vars(made.real().parse_intermixed_args(argv)), argv
    assert plain > 20


def test_the_everyday_line_does_without_argparse() -> None:
    made = args.parser("bt", "x")
    made.add_argument("-t", dest="tids", action="append", type=args.number_list)
    found = made._plain(["--image", "a", "core", "-t", "1,2", "-t3", "--json", "9"])
    assert (found.words, found.tids, found.image, found.json) == (["core", "9"], [[1, 2], [3]], ["a"], True)
    assert (found.color, found.guest, found.force) == ("auto", None, False)
