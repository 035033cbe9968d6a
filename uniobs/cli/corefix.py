"""`uniobs core fix`: a core that stock gdb and drgn read right."""

import os
from typing import Any, NamedTuple

from uniobs.cli import args, debuggers, session
from uniobs.cli.output import Output
from uniobs.errors import EXIT_INCOMPLETE, EXIT_OK, OutputError, UsageError
from uniobs.export.gdbcore import UNKNOWN
from uniobs.export.gdbcore_file import Fixed

DOC = """\
A core of a VM holds physical memory and vCPUs; gdb and drgn want virtual memory and threads. What they miss
is appended: each mapping of the guest's virtual memory, and the registers of each of its threads. uniobs
reads a fixed core as before.
"""
SHOWN = 4


def make_parser() -> args.Parser:
    parser = args.parser(
        "core fix", "Make a core readable for stock gdb and drgn.", doc=DOC, force_is_own=True
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-o", "--output", metavar="FILE", help="the fixed copy (NAME.gdb.core)")
    where.add_argument("--in-place", action="store_true", help="append to the core itself")
    where.add_argument("--undo", action="store_true", help="take back what --in-place did")
    parser.add_argument("-f", "--force", action="store_true", help="overwrite the copy that is there")
    return parser


def command(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    return run(options, session.out_for(options))


def run(options: Any, out: Output) -> int:
    """What was written, what isn't in it, and the commands to type next."""
    if options.undo:
        return _undo(options, out)
    with session.opened(options, out) as (target, words):
        session.refuse_words(words, "core fix")
        from uniobs.export import gdbcore_file

        gdbcore_file.check(target)
        path = str(target.origin.backend)
        if options.in_place:
            done = gdbcore_file.fix_in_place(target)
            file = path
        else:
            file = options.output or default_name(path)
            _free(file, path, options.force)
            done = gdbcore_file.fix_copy(target, file)
        told = said(target, file, done)
        if out.json:
            from uniobs.cli import render

            out.object(render.envelope("core fix", target.name, [told.row], (), told.complete))
        else:
            told.say(out)
    return EXIT_OK if told.complete else EXIT_INCOMPLETE


def default_name(path: str) -> str:
    """pay.core -> pay.gdb.core, in the folder that one stands in."""
    base = os.path.basename(path)
    return f"{base.removesuffix('.core')}.gdb.core"


def _free(file: str, core: str, force: bool) -> None:
    if os.path.exists(file) and os.path.samefile(file, core):
        raise UsageError(f"{file} is the core itself: --in-place fixes that")
    if os.path.lexists(file) and not force:
        raise UsageError(f"{file} is there already: --force overwrites it")
    if os.path.lexists(file) and (os.path.islink(file) or not os.path.isfile(file)):
        raise UsageError(f"{file} is no regular file: a core isn't put in its place")
    if not os.path.isdir(os.path.dirname(os.path.abspath(file))):
        raise OutputError(f"{file}: no such directory")


def _undo(options: Any, out: Output) -> int:
    from uniobs.cli.args import split_target
    from uniobs.export import gdbcore_file

    path, words = split_target(options)
    session.refuse_words(words, "core fix --undo")
    if path is None:
        raise UsageError("core fix --undo needs the FILE that was fixed in place")
    undone = gdbcore_file.undo(path)
    if out.json:
        from uniobs.cli import render

        out.object(render.envelope("core fix", path, [{"file": path, "undone": undone}], (), True))
    else:
        out.line(f"{path}: {'as it was before it was fixed' if undone else 'not fixed, nothing to undo'}")
    return 0


class Said(NamedTuple):
    """What is told of a fix: as JSON, and as text."""

    file: str
    done: Fixed | None  # None: it was fixed before
    next: list[str]

    @property
    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = {"file": self.file, "fixed_before": self.done is None, "next": self.next}
        if self.done is not None:
            seen = self.done.view
            row |= {
                "threads": [
                    {"id": one.pid, "name": seen.names.get(one.pid), "known": seen.partial.get(one.pid)}
                    for one in seen.threads
                ],
                "left_out": [{"thread": thread, "why": why} for thread, why in seen.left_out],
                "mappings": self.done.mappings,
                "added": self.done.added,
                "notices": list(self.done.notices),
            }
        return row

    @property
    def complete(self) -> bool:
        return self.done is None or not self.done.view.left_out

    def say(self, out: Output) -> None:
        if self.done is None:
            out.line(f"{self.file}: fixed already")
        else:
            threads, mappings = len(self.done.view.threads), self.done.mappings
            out.line(
                f"{self.file}: {_count(threads, 'thread')}, {_count(mappings, 'mapping')}, "
                f"+{self.done.added / 1024:.1f} KiB"
            )
            say_gaps(out, self.done)
        for number, words in enumerate(self.next):
            out.line(f"{'       ' if number else 'Next:  '}{words}")


def said(target: Any, file: str, done: Fixed | None) -> Said:
    gdb, drgn = debuggers.gdb(file, target.modules), debuggers.drgn(file)
    return Said(file, done, [debuggers.shell("gdb", gdb), debuggers.shell("drgn", drgn)])


def taken(file: str, images: list[str]) -> Said:
    """Fix a core in place that was just taken. Raises NotOffered for a hosted guest's."""
    from uniobs.export import gdbcore_file
    from uniobs.target import open_target

    target = open_target(file, images=images)
    try:
        return said(target, file, gdbcore_file.fix_in_place(target))
    finally:
        target.close()


def say_gaps(out: Output, done: Fixed) -> None:
    """What gdb can't show, or would show wrong."""
    for thread, why in done.view.left_out[:SHOWN]:
        out.notice(f"thread {thread} is left out: {why}")
    if len(done.view.left_out) > SHOWN:
        out.notice(f"{len(done.view.left_out) - SHOWN} more threads are left out")
    groups: dict[tuple[str, ...], list[int]] = {}
    for pid, known in done.view.partial.items():
        groups.setdefault(known, []).append(pid)
    for known, pids in groups.items():
        which = f"{len(pids)} threads" if len(pids) > 1 else f"thread {pids[0]}"
        others = f"gdb shows the others as {UNKNOWN:#x}, which reads unknown"
        out.notice(f"of {which} only {' '.join(known)} are known; {others}")
    for notice in done.notices:
        out.notice(notice)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
