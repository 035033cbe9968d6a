"""Completion for shells: scripts that know all options, and ask uniobs only for the guests' names."""

SHELLS = ("bash", "zsh", "fish")
FIRST = {"zsh": "#compdef uniobs\n"}  # what zsh looks for when the file is on $fpath
HEAD = "# Completion of uniobs: made of its commands' definitions by `uniobs completion {shell}`.\n"


def script(shell: str) -> str:
    """``shell`` is one of SHELLS."""
    from importlib import import_module

    from uniobs.cli.definitions import definitions

    made: str = import_module(f"uniobs.cli.completion.{shell}").script(definitions())
    return FIRST.get(shell, "") + HEAD.format(shell=shell) + made
