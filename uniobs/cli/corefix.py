"""`uniobs core fix`: a core that stock gdb and drgn read right."""

import os
from typing import Any

from uniobs.cli import args, debuggers, session
from uniobs.cli.output import Output
from uniobs.errors import OutputError, UsageError
from uniobs.export.gdbcore_file import Fixed

DOC = """\
A core of a VM holds physical memory and vCPUs; gdb and drgn want virtual memory and threads. What they miss
is appended: each mapping of the guest's virtual memory, and the registers of each of its threads. uniobs
reads a fixed core as before.
"""
SHOWN = 4


def command(argv: list[str]) -> int:
    parser = args.parser(
        "core fix", "Make a core readable for stock gdb and drgn.", doc=DOC, force_is_own=True
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-o", "--output", metavar="FILE", help="the fixed copy (NAME.gdb.core)")
    where.add_argument("--in-place", action="store_true", help="append to the core itself")
    where.add_argument("--undo", action="store_true", help="take back what --in-place did")
    parser.add_argument("-f", "--force", action="store_true", help="overwrite the copy that is there")
    options = args.parse(parser, argv)
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
        _say(out, target, file, done)
    return 0


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
        out.line(f"{path}: {'as it was before it was fixed' if undone else 'is not fixed: nothing to undo'}")
    return 0


def commands(target: Any, file: str) -> list[str]:
    modules = target.modules
    return [
        debuggers.shell("gdb", debuggers.gdb(file, modules)),
        debuggers.shell("drgn", debuggers.drgn(file, modules)),
    ]


def _say(out: Output, target: Any, file: str, done: Fixed | None) -> None:
    typed = commands(target, file)
    if out.json:
        from uniobs.cli import render

        row: dict[str, Any] = {"file": file, "fixed_before": done is None, "next": typed}
        if done is not None:
            row |= {
                "threads": [
                    {"id": thread.pid, "name": done.view.names.get(thread.pid), "partial": partial}
                    for thread in done.view.threads
                    for partial in [thread.pid in done.view.partial]
                ],
                "known_registers": list(done.view.known),
                "left_out": [{"thread": thread, "why": why} for thread, why in done.view.left_out],
                "mappings": done.mappings,
                "added": done.added,
                "notices": list(done.notices),
            }
        complete = done is None or not done.view.left_out
        out.object(render.envelope("core fix", target.name, [row], (), complete))
        return
    if done is None:
        out.line(f"{file}: fixed already")
    else:
        out.line(
            f"{file}: {_count(len(done.view.threads), 'thread')}, {_count(done.mappings, 'mapping')}, "
            f"+{done.added / 1024:.1f} KiB"
        )
        say_gaps(out, done)
    out.line(f"Next:  {typed[0]}")
    out.line(f"       {typed[1]}")


def say_gaps(out: Output, done: Fixed) -> None:
    """What gdb can't show, or would show wrong."""
    for thread, why in done.view.left_out[:SHOWN]:
        out.notice(f"thread {thread} is left out: {why}")
    if len(done.view.left_out) > SHOWN:
        out.notice(f"{len(done.view.left_out) - SHOWN} more threads are left out")
    if done.view.partial:
        known = " ".join(done.view.known)
        out.notice(
            f"of {len(done.view.partial)} threads that were not on a CPU only {known} are known: "
            "gdb shows their other registers as 0"
        )
    for notice in done.notices:
        out.notice(notice)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
