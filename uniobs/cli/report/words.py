"""What more than one renderer says in the same words."""

from typing import Final

from uniobs.cli.report.model import Edge, FrameRow, StackGroup
from uniobs.cli.stacks import brief_name

MEMBERS: Final = 16  # threads of one stack that are named


def title(group: StackGroup) -> str:
    """Thread 3 "worker-a": mutex ledger (tid 9); 14 threads with the same stack: a (3), b (4)..."""
    first = group.threads[0]
    if first.tid is None:
        return first.words
    if len(group.threads) == 1:
        name = f'"{first.name}"' if first.name else "(no name)"
        return f"Thread {first.tid} {name}: {first.words}"
    alike = "threads with the same stack" if group.frames else "threads without a stack"
    return f"{len(group.threads)} {alike}"


def members(group: StackGroup) -> list[str]:
    """What the threads of a group do, those that do the same on one line."""
    doing: dict[str, list[str]] = {}
    for thread in group.threads if len(group.threads) > 1 else ():
        doing.setdefault(thread.words, []).append(f"{thread.name or '-'} ({thread.tid})")
    lines = []
    for words, names in list(doing.items())[:MEMBERS]:
        more = f" and {len(names) - MEMBERS} more" if len(names) > MEMBERS else ""
        lines.append(f"{', '.join(names[:MEMBERS])}{more}: {words}")
    return lines + ([f"and {len(doing) - MEMBERS} more"] if len(doing) > MEMBERS else [])


def function(frame: FrameRow) -> str:
    """As uniobs bt names it; JSON has the whole name."""
    return brief_name(frame.function) if frame.function is not None else f"{frame.pc:#x}"


def spot(frame: FrameRow) -> str:
    """srv.c:14, +0x12 in the function, or -"""
    if frame.file and frame.line:
        return f"{frame.file.rsplit('/', 1)[-1]}:{frame.line}"
    return f"+{frame.offset:#x}" if frame.function is not None and frame.offset is not None else "-"


def stamp(time_ns: int | None) -> str:
    return f"[{time_ns / 1e9:12.6f}]" if time_ns is not None else f"[{'?':>12}]"


def edge_text(edge: Edge) -> str:
    """worker-a (tid 3) waits for lock_b, held by worker-b (tid 4)"""
    what = "the end of" if edge.kind == "join" else f"{edge.what}, held by"
    return f"{edge.thread} (tid {edge.tid}) waits for {what} {edge.owner_name} (tid {edge.owner})"
