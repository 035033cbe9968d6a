"""The shell: a target that stays open, what was chosen and set, and running a line on it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any

from uniobs.cli import render, session
from uniobs.cli.output import Output
from uniobs.cli.shell import host, line, table
from uniobs.cli.shell.scope import GuestScope
from uniobs.cli.shell.table import Call, Dot
from uniobs.errors import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_TARGET,
    Incomplete,
    TargetError,
    TargetGone,
    UniobsError,
    UsageError,
)
from uniobs.image.types_expr import Operand, evaluate
from uniobs.image.types_expr_lex import ExpressionError
from uniobs.image.types_expr_numbers import INT, integer
from uniobs.image.types_text import Printer, Style
from uniobs.model.guest import Thread

PIPED = 10_000  # values that a pipe hands on


@dataclass(slots=True)
class Settings:
    """What ::set changes."""

    elements: int = 200  # of an array
    depth: int = 12  # of structs inside structs
    follow: int = 0  # pointers to structs
    rows: int = 200  # of a list


class Quit(Exception):
    """The user leaves."""


class Shell:
    """``spec`` is how the user named the target."""

    def __init__(self, target: Any, out: Output, spec: str) -> None:
        self.target = target
        self.out = out
        self.spec = spec
        self.settings = Settings()
        self.tid: int | None = None  # whose registers are meant
        self.frame: int | None = None  # of that thread, whose local variables have names
        self.local_names: tuple[str, ...] = ()  # of that frame
        self.next_x: tuple[int, str] | None = None  # where x goes on
        self.scope = GuestScope(target, self.thread)
        self.code = EXIT_OK  # of the last command that failed
        load_commands()

    # --- running lines --------------------------------------------------------------------------------

    def run(self, text: str) -> int:
        """A line of commands. Whatever goes wrong is said; the code of the last that failed, else 0.

        Raises Quit.
        """
        result = EXIT_OK
        try:
            for one in line.lines(text, table.names()):
                result = self._said(one) or result
                if result == EXIT_INTERRUPTED:
                    break
        except UniobsError as error:
            result = self.complain(error)
        self.code = result or self.code
        return result

    def _said(self, one: line.Line) -> int:
        try:
            code = self._run(one)
            self.out.flush()
            session.say_notices(self.target, self.out)
            return code
        except Quit:
            raise
        except KeyboardInterrupt:
            self.out.flush()
            self.out.closing("interrupted")
            return EXIT_INTERRUPTED
        except BrokenPipeError:
            raise
        except UniobsError as error:
            return self.complain(error)
        except OSError as error:
            what = error.filename or "input/output"
            return self.complain(UniobsError(f"{what}: {error.strerror or error}"))
        except SystemExit as stop:  # --help of a command
            return stop.code if isinstance(stop.code, int) else EXIT_OK
        except Exception as error:  # noqa: BLE001 - the last resort: a bug is one line, the shell stays
            return self._bug(error)

    def _bug(self, error: Exception) -> int:
        import os

        if os.environ.get("UNIOBS_DEBUG"):
            import traceback

            traceback.print_exception(error, file=sys.stderr)
        what = f"{type(error).__name__}: {error}"
        self.complain(UniobsError(f"this is a bug in uniobs ({what}); UNIOBS_DEBUG=1 shows where"))
        return EXIT_TARGET

    def complain(self, error: UniobsError) -> int:
        """One line; under it, for an expression, the place."""
        self.out.flush()
        self.out.closing(f"uniobs: {' '.join(str(error).split())}")
        if isinstance(error, ExpressionError):
            for text in error.pointed:
                self.out.closing(f"  {text}")
        return error.exit_code

    def _run(self, one: line.Line) -> int:
        try:
            self.target.refresh()
        except TargetGone as error:  # what needs no memory still answers
            self.out.notice(f"{error}: its variables can't be read any more")
        if one.host is not None:
            with host.piped(one.host, self.out):
                return self._stages(one.stages)
        return self._stages(one.stages)

    def _stages(self, stages: tuple[line.Stage, ...]) -> int:
        if len(stages) == 1:
            return self._last(stages[0], self._dot(stages[0]))
        dots: Iterator[Dot] = self._produced(stages[0], self._dot(stages[0]))
        for stage in stages[1:-1]:
            dots = (made for dot in dots for made in self._produced(stage, dot))
        code = EXIT_OK
        for number, dot in enumerate(dots):
            if number >= PIPED:
                raise Incomplete(f"more than {PIPED} values: the rest is left out")
            try:
                code = self._last(stages[-1], dot) or code
            except (UsageError, TargetError):
                raise
            except UniobsError as error:  # of this one; the others may be better
                code = self.complain(error)
        return code

    def _last(self, stage: line.Stage, dot: Dot | None) -> int:
        name = stage.name or "print"
        found = table.find(name)
        if found is None:
            raise UsageError(_unknown(name))
        with self.with_dot(dot):
            return found.run(self, Call(stage.arguments, stage.format, dot))

    def _produced(self, stage: line.Stage, dot: Dot | None) -> Iterator[Dot]:
        found = table.find(stage.name or "print")
        if found is None:
            raise UsageError(_unknown(stage.name))
        if found.produces is None:
            name = found.name
            raise UsageError(f"::{name} gives text, no values for a pipe (::{name} ! COMMAND takes text)")
        with self.with_dot(dot):
            made = list(found.produces(self, Call(stage.arguments, stage.format, dot)))
        yield from made

    def _dot(self, stage: line.Stage) -> Dot | None:
        """What stands before ``::``: a thread's name, or an expression."""
        if stage.dot is None:
            return None
        found = table.find(stage.name)
        if found is not None and found.completes == "thread":
            return self.thread_meant(stage.dot)
        return evaluate(stage.dot, self.scope)

    @contextmanager
    def with_dot(self, dot: Dot | None) -> Iterator[None]:
        before = self.scope.dot
        if isinstance(dot, Thread):
            self.scope.dot = Operand(integer(dot.tid, INT, self.scope.space), False)
        elif dot is not None:
            self.scope.dot = dot
        try:
            yield
        finally:
            self.scope.dot = before

    # --- threads --------------------------------------------------------------------------------------

    def thread(self) -> Thread | None:
        """The chosen thread, else the one that crashed, else a process's only one or the first of its core;
        None: the first vCPU's registers are meant."""
        if self.tid is not None:
            return self.scope.thread(str(self.tid))
        from uniobs.cli.stacks import panic_of

        panic = panic_of(self.target)
        if panic is None or not panic.tid:
            return self._of_process()
        return self.scope.thread(str(panic.tid))

    def _of_process(self) -> Thread | None:
        """A process has no vCPU whose registers could be meant."""
        try:
            threads = [t for t in self.scope.threads() if t.os_tid is not None and t.state != "exited"]
        except UniobsError:
            return None
        first = next(iter(self.target.origin.thread_registers), None)
        return next((t for t in threads if len(threads) == 1 or t.os_tid == first), None)

    def thread_meant(self, text: str) -> Thread:
        """By id, by name, or by an address in its stack or its kernel's struct of it."""
        text = text.strip().strip("\"'")
        known = {str(thread.tid) for thread in self.scope.threads()}
        known |= {thread.name for thread in self.scope.threads() if thread.name}
        if text in known or (line.is_number(text) and int(text) < 1 << 16):
            return self.scope.thread(text)
        from uniobs.cli.shell.owners import thread_at
        from uniobs.image.types_expr import address_of

        try:
            operand = evaluate(text, self.scope)
        except UniobsError:
            return self.scope.thread(text)  # says which threads there are
        address = address_of(operand)
        found = thread_at(self.scope, operand)
        if found is None:
            raise Incomplete(f"{address:#x} is in no thread's stack, and no struct of a thread")
        return found

    # --- printing -------------------------------------------------------------------------------------

    def printer(self, letter: str = "", follow: int | None = None) -> Printer:
        style = Style(
            letter,
            self.settings.elements,
            self.settings.depth,
            self.settings.follow if follow is None else follow,
        )
        return Printer(style, self.scope.symbol_at)

    def object(self, view: str, rows: Any, *, notes: tuple[str, ...] = (), complete: bool = True) -> None:
        self.out.object(render.envelope(view, self.target.name, rows, notes, complete))

    def lines(self, text: str) -> None:
        for row in text.split("\n"):
            self.out.line(row)


def load_commands() -> None:
    """Each module adds its own; tools what the command line has besides."""
    for name in ("guest", "values", "types", "walks", "whatis", "frames", "memory", "control", "tools"):
        import_module(f"uniobs.cli.shell.{name}")


def setting_names() -> list[str]:
    return [field.name for field in fields(Settings)]


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(table.names()), n=1)
    return f"no command ::{name}" + (f": did you mean ::{near[0]}?" if near else " (::help lists them)")
