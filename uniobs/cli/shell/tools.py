"""The command line's own commands, on the target that is open: ::ps aux, ::netstat -an, ::why."""

import shlex
from importlib import import_module

from uniobs.cli import main, session
from uniobs.cli.shell import table
from uniobs.cli.shell.state import Shell
from uniobs.cli.shell.table import Call, command
from uniobs.errors import UsageError
from uniobs.model import registry
from uniobs.model.guest import Thread

GROUP = "uniobs' tools (::NAME --help)"
# those that open a target of their own, take this terminal, or would end the shell
_NOT_HERE = frozenset({"shell", "gdb", "ls", "tui", "diff"})


def _runner(name: str) -> table.Run:
    def run(shell: Shell, call: Call) -> int:
        words = _words(call.arguments)
        if isinstance(call.dot, Thread):
            words = _of_thread(name, call.dot) + words
        if shell.out.json and "--json" not in words:
            words.append("--json")
        if shell.out.color and not any(word.startswith("--color") for word in words):
            words.append("--color=always")
        shell.out.flush()
        with session.held(shell.target, shell.spec):
            return int(import_module(f"uniobs.cli.commands.{name}").run(words))

    return run


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{text}: {error}") from None


def _of_thread(name: str, thread: Thread) -> list[str]:
    if name in ("ps", "top", "bt", "strace", "dmesg"):
        return ["-p", str(thread.tid)]
    raise UsageError(f"::{name} isn't about a thread")


def _view(name: str) -> table.Run:
    def run(shell: Shell, call: Call) -> int:
        return session.show_view(shell.out, shell.target, name)

    return run


def _trace(shell: Shell, call: Call) -> int:
    """What the rings hold; ::strace follows."""
    return _runner("strace")(shell, Call(f"--last {call.arguments}", "", call.dot))


def _register() -> None:
    command("trace", "[THREAD]::trace [strace's options]", "the last calls, as strace prints them",
            completes="thread", group="the guest")(_trace)  # fmt: skip
    for name, about in main.COMMANDS.items():
        if name not in _NOT_HERE and table.find(name) is None:
            threads: table.Completes = "thread" if name in ("ps", "top", "bt", "strace", "dmesg") else ""
            command(name, f"::{name} [options]", about, completes=threads, group=GROUP)(_runner(name))
    for name in registry.names(registry.VIEWS):
        if name not in _NOT_HERE and table.find(name) is None:
            title = str(getattr(registry.load(registry.VIEWS, name), "title", name))
            command(name, f"::{name}", title[:1].lower() + title[1:], group=GROUP)(_view(name))


_register()
