"""Stacks as lines and as JSON, for bt and core show."""

from contextlib import suppress

from uniobs.cli.output import Output
from uniobs.errors import NotOffered, UniobsError
from uniobs.lean import Any
from uniobs.model.guest import Frame, Panic, Stack, Thread
from uniobs.model.text import pad, width

HOW = {"registers": "registers", "cfi": "cfi", "frame-pointer": "frame pointer, not checked by CFI",
       "scan": "found by scanning the stack: may be stale", "return-address": "return address"}  # fmt: skip
WIDEST = 36
WAITING = ("blocked", "sleeping")
REPEATS = 3  # of the same frame in a row that are shown


def panic_of(target: Any) -> Panic | None:
    with suppress(NotOffered):
        found: Panic | None = target.walker("panic").panic()
        return found
    return None


def threads_of(target: Any, tids: list[int] | None, panic: Panic | None) -> list[Thread]:
    """The threads to show, the crashed one first, then by id. Raises UniobsError for one that isn't there."""
    threads = [
        t for t in target.walker("threads").threads() if t.state != "exited" or (panic and t.tid == panic.tid)
    ]
    if panic is not None and panic.tid is not None and all(t.tid != panic.tid for t in threads):
        threads.append(Thread(panic.tid))
    if tids:
        known = {t.tid for t in threads}
        missing = [tid for tid in tids if tid not in known]
        if missing:
            raise UniobsError(f"no thread {missing[0]}: there are {', '.join(map(str, sorted(known)))}")
        threads = [t for t in threads if t.tid in tids]
    crashed = panic.tid if panic is not None else None
    return sorted(threads, key=lambda t: (t.tid != crashed, t.tid))


def stack_of(target: Any, thread: Thread) -> Stack:
    if thread.torn:
        return Stack(thread.tid, error="its row was being written")
    found: Stack = target.stack(thread)
    return found


def stacks_of_vcpus(target: Any) -> list[tuple[int, Stack]]:
    """(vCPU, its stack) of a guest whose threads nobody knows. NotOffered without registers or image."""
    from uniobs.image import unwind, unwind_aarch64

    if not target.modules:
        raise NotOffered(f"no image of {target.name} is known: name its ELF with --image")
    found = []
    for number, registers in enumerate(target.registers()):
        how = unwind if registers.get("pc") is None else unwind_aarch64
        frames, note = how.unwind(target.modules, target.space, registers)
        found.append((number, Stack(0, frames, None if frames else note, note if frames else None)))
    return found


def state_words(thread: Thread, waits: dict[int, str]) -> str:
    """(running on CPU 0), (mutex ledger (tid 9))..."""
    if thread.torn or thread.state is None:
        return "state unknown"
    if thread.state in WAITING:
        return waits.get(thread.tid) or thread.state
    if thread.state == "running" and thread.cpu is not None:
        return f"running on CPU {thread.cpu}"
    return thread.state


def waits_of(target: Any) -> dict[int, str]:
    """tid -> what it waits for, from the ps view."""
    from uniobs.model import registry

    with suppress(UniobsError):
        rows = registry.load(registry.VIEWS, "ps").rows(target).rows
        return {row.tid: row.wchan for row in rows if row.wchan and row.wchan != "-"}
    return {}


def show_stack(out: Output, stack: Stack, *, faulting: str | None = None) -> None:
    """Frame lines as ``#0 deref  srv.c:14  cfi``; ``faulting`` is said on the innermost line."""
    if stack.error is not None:
        out.line(f"  no stack: {stack.error}")
    names = min(WIDEST, max((width(frame_name(f)) for f in stack.frames), default=0))
    spots = min(WIDEST, max((width(frame_spot(f)) for f in stack.frames), default=0))
    digits = len(str(len(stack.frames)))
    last, same, skipped = "", 0, 0
    for number, frame in enumerate(stack.frames):
        what = "  ".join([pad(frame_name(frame), names), pad(frame_spot(frame), spots), how(frame)])
        same = same + 1 if what == last else 0
        last = what
        if same >= REPEATS and number + 1 < len(stack.frames):
            skipped += 1  # recursion
            continue
        if skipped:
            out.line(f"  {'...':<{digits + 3}}{skipped} more of the same", "dim")
        skipped = 0
        line = f"  #{number:<{max(2, digits)}} {what}"
        if number == 0 and faulting:
            line = f"{line}      {faulting}"
        out.line(line.rstrip())
    if stack.note is not None:
        out.line(f"  ({stack.note})")


def frame_name(frame: Frame) -> str:
    """Its function, or its address."""
    if frame.function is None:
        return f"{frame.pc:#x}"
    return brief_name(frame.function)


def brief_name(function: str) -> str:
    """C++'s templates may take a screen; JSON has the whole name."""
    if len(function) <= 48:
        return function
    from uniobs.image.demangle import brief

    return brief(function)


def frame_spot(frame: Frame) -> str:
    """main.c:41, or how far into its function."""
    if frame.file and frame.line:
        return f"{frame.file.rsplit('/', 1)[-1]}:{frame.line}"
    return f"+{frame.offset:#x}" if frame.function is not None and frame.offset is not None else "-"


def how(frame: Frame) -> str:
    """How a frame is known, what it is inlined into, what makes it doubtful."""
    text = HOW[frame.trust]
    if frame.inlined_into:
        text += f" (inlined into {brief_name(frame.inlined_into)})"
    if frame.unproven:
        text += " UNPROVEN: its code in memory differs from the image"
    return text.strip()


def json_stack(thread: Thread, stack: Stack, crashed: bool) -> dict[str, Any]:
    from uniobs.model.row import as_dict

    return {
        "tid": thread.tid,
        "name": thread.name,
        "state": thread.state,
        "crashed": crashed,
        "frames": [as_dict(frame) for frame in stack.frames],
        "error": stack.error,
        "note": stack.note,
    }
