"""uniobs bt: the stacks of all threads."""

from uniobs.cli import args, render, session, stacks
from uniobs.cli.output import Output
from uniobs.errors import EXIT_INCOMPLETE, EXIT_OK, NotOffered, UsageError
from uniobs.lean import Any
from uniobs.model import fault
from uniobs.model.guest import Panic
from uniobs.model.row import as_dict
from uniobs.target.instruction import instruction_text

DOC = """\
Each frame says how it is known: cfi (unwind tables), frame pointer, or scan (a guess).
Exit 4: a stack is missing.
"""


def make_parser() -> args.Parser:
    parser = args.parser(
        "bt", "The stacks of a guest's threads; the crashed one first.", words="[TID...]", doc=DOC
    )
    parser.add_argument(
        "-t", "-p", dest="tids", action="append", type=args.number_list, metavar="TID", help="only these"
    )
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    out = session.out_for(options)
    with session.opened(options, out) as (target, words):
        tids = [tid for tids in options.tids or [] for tid in tids]
        try:
            tids += [int(word) for word in words]
        except ValueError as error:
            raise UsageError(f"bt takes thread ids after the target, not {' '.join(words)!r}") from error
        return show(out, target, tids)


def show(out: Output, target: Any, tids: list[int] | None = None) -> int:
    """All stacks. 4 when one of them can't be had."""
    panic = stacks.panic_of(target)
    try:
        threads = stacks.threads_of(target, tids, panic)
    except NotOffered as error:
        if tids:
            raise
        return _show_vcpus(out, target, error)
    found = [(thread, stacks.stack_of(target, thread)) for thread in threads]
    complete = all(stack.frames for _, stack in found)
    if out.json:
        crashed = panic.tid if panic is not None else None
        rows = [stacks.json_stack(thread, stack, thread.tid == crashed) for thread, stack in found]
        out.object(render.envelope("bt", target.name, rows, (), complete))
        return EXIT_OK if complete else EXIT_INCOMPLETE
    waits = stacks.waits_of(target) if any(t.state in stacks.WAITING for t in threads) else {}
    for number, (thread, stack) in enumerate(found):
        if number:
            out.line()
        died = panic is not None and thread.tid == panic.tid
        name = f'"{thread.name}"' if thread.name else "(no name)"
        if died and panic is not None:
            out.line(f"Thread {thread.tid} {name} (crashed): {cause(panic)}", "bad")
        else:
            out.line(f"Thread {thread.tid} {name}: {stacks.state_words(thread, waits)}", "head")
        faulting = None
        if died and panic is not None and panic.kind == "exception" and panic.registers is not None:
            faulting = instruction_text(target, panic.registers)
        stacks.show_stack(out, stack, faulting=faulting)
    missing = sum(1 for _, stack in found if not stack.frames)
    if missing:
        out.notice(f"{missing} of {len(found)} stacks can't be had: see above")
    return EXIT_OK if complete else EXIT_INCOMPLETE


def _show_vcpus(out: Output, target: Any, why: NotOffered) -> int:
    """What can be shown of a kernel that nobody knows: where its vCPUs are."""
    found = stacks.stacks_of_vcpus(target)
    if out.json:
        rows = [{"cpu": cpu, "frames": [as_dict(f) for f in s.frames], "error": s.error} for cpu, s in found]
        out.object(render.envelope("bt", target.name, rows, (str(why),), False))
        return EXIT_INCOMPLETE
    for cpu, stack in found:
        out.line(f"vCPU {cpu}", "head")
        stacks.show_stack(out, stack)
    out.notice(str(why))
    return EXIT_INCOMPLETE


def cause(panic: Panic) -> str:
    """page fault, write to 0x0 (not mapped); failed assertion: what it said."""
    text = fault.cause(panic)
    return f"{text}: {panic.message}" if panic.message and panic.kind not in fault.TELLING else text
