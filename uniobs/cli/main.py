"""uniobs: the command. Only the module of the chosen command is imported."""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from uniobs import __version__
from uniobs.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_TARGET, UniobsError, UsageError

# name -> what it answers; uniobs/cli/commands/NAME.py holds each
COMMANDS = {
    "ls": "the guests on this host",
    "why": "what is wrong with a guest, in one paragraph",
    "ps": "its threads, and what each waits for",
    "top": "its threads by CPU time (batch mode)",
    "bt": "the stacks of its threads",
    "netstat": "its sockets, interfaces and network counters",
    "ss": "its sockets, with filters",
    "strace": "its calls, live or the last ones before it died",
    "tcpdump": "its packets",
    "dmesg": "its log",
    "vmstat": "its heap, switches, interrupts and packets over time",
    "counters": "its counters",
    "core": "take a core of it, or report on one",
    "tui": "the terminal UI: all of this on one screen, and time to step back in",
    "record": "write down what happens in it, to look at any moment of it later",
    "diff": "what changed between two moments of it",
    "gdb": "stock gdb on it",
    "shell": "a prompt on it: variables, lists, memory, everything else (MDB's habits)",
    "symbolise": "names and lines on the addresses of a console log",
    "doctor": "what is missing on this host or for a guest, and what each costs",
    "completion": "completion of all this for bash, zsh or fish",
}

HELP = """usage: uniobs COMMAND [TARGET] [options]

The tools you lost when you left Linux, for a unikernel that is live, hung or dead.

{commands}

TARGET is a guest's name or pid (uniobs ls), a core or snapshot, a recording, a guest's memory
file, or serial:///PATH of its virtio-serial socket. Without one: the only guest there is.
uniobs COMMAND --help tells the rest.
Exit: 0 fine, 1 a finding, 2 usage, 3 target unreadable, 4 incomplete, 5 not offered,
7 image mismatch, 130 interrupted.
"""


def help_text() -> str:
    return HELP.format(commands="\n".join(f"  {name:<10} {about}" for name, about in COMMANDS.items()))


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code. Whatever goes wrong is one line on stderr."""
    if argv is None:
        gc.set_threshold(50_000, 20, 20)  # collecting while modules are imported costs a short command 5 %
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
        return code
    except UniobsError as error:
        if isinstance(error.__cause__, BrokenPipeError):
            _drop_stdout()
            return error.exit_code
        return _fail(str(error), error.exit_code, error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _drop_stdout()
        return EXIT_TARGET
    except SystemExit as stop:  # argparse's --help
        return stop.code if isinstance(stop.code, int) else EXIT_OK
    except OSError as error:
        _drop_stdout()
        return _fail(f"{error.filename or 'input/output'}: {error.strerror or error}", EXIT_TARGET, error)
    except MemoryError as error:
        return _fail("this takes more memory than there is, or than ulimit -v allows", EXIT_TARGET, error)
    except Exception as error:  # noqa: BLE001 - the last resort: a bug is one line too
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _fail(
            f"this is a bug in uniobs ({what}); UNIOBS_DEBUG=1 shows where, nothing of the guest was changed",
            EXIT_TARGET,
            error,
        )


def _dispatch(arguments: list[str]) -> int:
    if not arguments:
        return int(import_module("uniobs.cli.commands.landing").run())
    name, rest = arguments[0], arguments[1:]
    if name in ("-h", "--help", "help"):
        if name == "help" and rest and rest[0] in COMMANDS:
            return _dispatch([rest[0], "--help"])
        sys.stdout.write(help_text())
        return EXIT_OK
    if name in ("-V", "--version"):
        sys.stdout.write(f"uniobs {__version__}\n")
        return EXIT_OK
    if name not in COMMANDS:
        raise UsageError(_unknown(name))
    return int(import_module(f"uniobs.cli.commands.{name}").run(rest))


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    hint = f": did you mean {near[0]}?" if near else f": there are {' '.join(COMMANDS)}"
    return f"no command {name!r}{hint}"


def _fail(message: str, code: int, error: BaseException) -> int:
    from uniobs.model.text import safe

    if os.environ.get("UNIOBS_DEBUG"):
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:
        _drop_stdout()
    sys.stderr.write(f"uniobs: {safe(' '.join(message.split()))}\n")
    return code


def _drop_stdout() -> None:
    """Nobody reads (or can take) stdout any more: Python's own flush at exit mustn't complain."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return


if __name__ == "__main__":
    sys.exit(main())
