"""The prompt on a terminal: history, completion, ^C for a long command, ^D to leave."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uniobs import __version__
from uniobs.cli.shell.complete import Completer
from uniobs.cli.shell.state import Quit, Shell
from uniobs.errors import EXIT_OK
from uniobs.model.text import safe

if TYPE_CHECKING:
    from prompt_toolkit.history import History


def history_file() -> Path:
    """Under the XDG state directory."""
    from platformdirs import user_state_path

    return user_state_path("uniobs") / "shell_history"


def run(shell: Shell) -> int:
    """Always 0: what went wrong was read."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.auto_suggest import AutoSuggestFromHistory

    session: PromptSession[str] = PromptSession(
        history=_history(),
        completer=_adapter(Completer(shell)),
        complete_while_typing=False,
        auto_suggest=AutoSuggestFromHistory(),
        enable_history_search=True,
        color_depth=_depth(shell),
    )
    shell.out.line(f"uniobs {__version__}: ::help lists what there is, Tab completes, ^D leaves", "dim")
    shell.run("status")
    while True:
        try:
            text = session.prompt(_prompt(shell))
        except KeyboardInterrupt:
            continue
        except EOFError:
            return EXIT_OK
        try:
            shell.run(text)
        except Quit:
            return EXIT_OK


def _prompt(shell: Shell) -> str:
    chosen = f" {shell.tid}" if shell.tid is not None else ""
    chosen += f" #{shell.frame}" if shell.frame is not None else ""
    return safe(f"{shell.target.name}{chosen}> ")


def _depth(shell: Shell) -> Any:
    from prompt_toolkit.output import ColorDepth

    return None if shell.out.color else ColorDepth.DEPTH_1_BIT


def _history() -> "History":
    """On disk where that can be; else only of this session."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    path = history_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(path, "ab"):
            os.chmod(path, 0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


def _adapter(completer: Completer) -> Any:
    from prompt_toolkit.completion import Completer as Base
    from prompt_toolkit.completion import Completion

    class Adapter(Base):
        def get_completions(self, document: Any, event: Any) -> Iterable[Completion]:
            for choice in completer.choices(document.text_before_cursor):
                yield Completion(
                    choice.text, -choice.length, display=safe(choice.text), display_meta=safe(choice.about)
                )

    return Adapter()
