"""All stacks: the crashed thread's first, threads with the same one together."""

from collections.abc import Iterable
from typing import Final

from uniobs.cli import stacks
from uniobs.cli.report import code
from uniobs.cli.report.cause import place_text
from uniobs.cli.report.context import Context
from uniobs.cli.report.model import FrameRow, Section, StackGroup, Stacks, StackThread
from uniobs.errors import NotOffered
from uniobs.image.machinery import died_at, waits_at
from uniobs.model.guest import Frame, Stack, Thread

GROUPS_MAX: Final = 100
THREADS_MAX: Final = 2000


def stack_rows(context: Context) -> Section:
    title = "Stacks"
    source = "memory, unwound with the images' call tables; each frame says how it is known"
    panic = context.known_panic
    try:
        threads = stacks.threads_of(context.target, None, panic)
    except NotOffered as error:
        found = stacks.stacks_of_vcpus(context.target)
        groups = [
            StackGroup((StackThread(None, None, f"vCPU {cpu}"),), _frames(context, s), s.error, s.note)
            for cpu, s in found
        ]
        return Section("stacks", title, "ok", Stacks(tuple(groups)), source, notes=(str(error),))
    crashed = panic.tid if panic is not None else None
    threads.sort(key=lambda thread: (thread.tid != crashed, thread.tid not in context.told))
    rows = [(thread, context.stack(thread)) for thread in threads[:THREADS_MAX]]
    groups = list(_groups(context, rows, crashed))
    missing = sum(not stack.frames for _, stack in rows)
    notes = [f"{missing} of {len(rows)} stacks can't be had"] if missing else []
    if len(groups) > GROUPS_MAX or len(threads) > THREADS_MAX:
        notes.append(f"the first {min(len(groups), GROUPS_MAX)} of {len(groups)} different stacks are shown")
    if context.frames_left <= 0:
        notes.append("more frames than the report holds: uniobs bt shows all")
    if not groups:
        return Section("stacks", title, "empty", source=source, reason="there is no thread")
    return Section("stacks", title, "ok", Stacks(tuple(groups[:GROUPS_MAX])), source, notes=tuple(notes))


def _groups(context: Context, rows: list[tuple[Thread, Stack]], crashed: int | None) -> Iterable[StackGroup]:
    same: dict[object, list[tuple[Thread, Stack]]] = {}
    for thread, stack in rows:
        alone = thread.tid == crashed or thread.tid in context.told
        key = (alone, tuple((f.pc, f.function, f.trust) for f in stack.frames), stack.error, stack.note)
        same.setdefault(key, []).append((thread, stack))
    for members in same.values():
        threads = tuple(_thread(context, thread, thread.tid == crashed) for thread, _ in members)
        stack = members[0][1]
        told = any(thread.tid == crashed or thread.tid in context.told for thread, _ in members)
        frame = died_at(stack, "") if threads[0].crashed else waits_at(stack)
        place = place_text(frame, frame.pc) if frame is not None else None
        yield StackGroup(threads, _frames(context, stack), stack.error, stack.note, place, told)


def _thread(context: Context, thread: Thread, crashed: bool) -> StackThread:
    words = "the idle thread" if thread.idle else stacks.state_words(thread, context.waits)
    words = "crashed" if crashed else words
    return StackThread(thread.tid, thread.name, words, crashed)


def _frames(context: Context, stack: Stack) -> tuple[FrameRow, ...]:
    found = []
    for frame in stack.frames:
        if context.frames_left <= 0:
            break
        context.frames_left -= 1
        found.append(_frame(context, frame))
    return tuple(found)


def _returns(context: Context, frame: Frame) -> bool:
    """Whether its pc is where a call returns to: of a switched-out thread the innermost's may be."""
    if frame.trust != "registers":
        return True
    for module in context.modules:
        if module.holds(frame.pc) and module.holds(frame.pc - 1):
            here, before = module.symbolise(frame.pc), module.symbolise(frame.pc, True)
            if here and before and here[0].line != before[0].line:
                return bool(frame.line == before[0].line)
    return False


def _frame(context: Context, frame: Frame) -> FrameRow:
    call = _returns(context, frame)
    lines, insns = code.around(context, frame.file, frame.line, frame.pc, call=call, reach=code.FRAME)
    if frame.inlined_into is not None:
        insns = None  # the same instructions as of the frame that it is inlined into
    if lines is not None and lines.path is None:
        lines = None  # said once, for the whole report
    return FrameRow(
        *(frame.level, frame.pc, frame.function, frame.file, frame.line, frame.offset, frame.trust),
        *(stacks.how(frame), frame.module, frame.unproven, lines, insns),
    )
