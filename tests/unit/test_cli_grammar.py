"""The command line's grammar: target first, the rest is the tool's, mistakes are one line."""

import pytest

from uniobs.cli import args
from uniobs.cli.commands import tcpdump
from uniobs.cli.main import COMMANDS, main
from uniobs.errors import UsageError


def parse(*argv: str) -> tuple[str | None, list[str]]:
    made = args.parser("ps", "x")
    made.add_argument("-o", "--format")
    made.add_argument("-e", action="store_true")
    made.add_argument("-f", action="store_true")
    return args.split_target(args.parse(made, argv))


@pytest.mark.parametrize(
    ("argv", "target", "words"),
    [
        (["kv", "aux"], "kv", ["aux"]),
        (["-ef", "kv"], "kv", []),
        (["kv", "-ef"], "kv", []),
        (["-eo", "tid,stat", "kv"], "kv", []),
        (["kv", "1", "-e", "5"], "kv", ["1", "5"]),
        (["-g", "aux", "aux"], "aux", ["aux"]),
        (["--guest=1", "2"], "1", ["2"]),
        (["kv", "--", "-x", "y"], "kv", ["-x", "y"]),
        ([], None, []),
    ],
)
def test_first_word_is_the_target(argv: list[str], target: str | None, words: list[str]) -> None:
    assert parse(*argv) == (target, words)


def test_filter_words_and_options_mix() -> None:
    options = args.parse(tcpdump.make_parser(), ["-n", "kv", "tcp", "port", "80", "-c", "3", "-tttt", "-XX"])
    assert args.split_target(options) == ("kv", ["tcp", "port", "80"])
    assert (options.count, options.stamp, options.hex_ascii) == (3, 4, 2)


@pytest.mark.parametrize("argv", [["--nonsense"], ["-o"], ["--form", "x"]])
def test_mistakes_are_usage_errors(argv: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse(*argv)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["0", "-1", "x", "nan", "inf", "1e99"])
def test_counts_and_delays_are_positive(text: str) -> None:
    made = args.parser("top", "x")
    made.add_argument("-d", type=args.positive(float))
    with pytest.raises(UsageError, match="positive number"):
        args.parse(made, ["-d", text])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: uniobs {command}")
    assert "--json" in text


def test_main_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {command} " in text for command in COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("uniobs ")


def test_unknown_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["netsat"]) == 2
    assert capsys.readouterr().err == "uniobs: no command 'netsat': did you mean netstat?\n"


def test_a_verb_s_mistake_names_its_own_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["core", "take", "--nonsense"]) == 2
    assert capsys.readouterr().err.endswith("(uniobs core take --help)\n")
