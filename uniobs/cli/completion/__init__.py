"""Completion for shells: scripts that know all options, and ask uniobs only for the guests' names."""

SHELLS = ("bash", "zsh", "fish")
HEAD = "# Completion of uniobs: made of its commands' definitions by `uniobs completion {shell}`.\n"


def script(shell: str) -> str:
    """``shell`` is one of SHELLS."""
    from importlib import import_module

    from uniobs.cli.definitions import definitions

    made: str = import_module(f"uniobs.cli.completion.{shell}").script(definitions())
    return HEAD.format(shell=shell) + made
