"""The line that matters of a stack: the first frame that isn't the machinery of waiting or dying."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any

from uniobs.errors import ImageMismatch, NotOffered
from uniobs.image.machinery import died_at, waits_at
from uniobs.model.guest import Frame, Thread
from uniobs.model.text import safe
from uniobs.model.where import where

__all__ = ["answer", "died_at", "place_text", "short_spot", "spot", "spots", "thread_name", "waits_at"]


def spots(frames: Sequence[Frame], most: int) -> list[str]:
    """A line a frame, at most ``most``; a run of the same one (recursion) is one line with its length."""
    lines: list[str] = []
    for text, run in groupby(map(spot, frames)):
        times = sum(1 for _ in run)
        lines.append(f"{text}  ({times} times)" if times > 1 else text)
    return lines[:most]


def spot(frame: Frame | None) -> str:
    """main.c:41  worker_a, with what makes it doubtful."""
    if frame is None:
        return "an unknown place"
    line = f"{frame.file.rsplit('/', 1)[-1]}:{frame.line}" if frame.file and frame.line else ""
    text = "  ".join(part for part in (line, frame.function or "") if part) or f"{frame.pc:#x}"
    if frame.trust == "scan":
        text += "  (found by scanning the stack: may be stale)"
    if frame.unproven:
        text += "  (its code in memory differs from the image)"
    return text


def short_spot(frame: Frame | None) -> str:
    """deref (srv.c:14)"""
    if frame is None:
        return "an unknown place"
    line = f"{frame.file.rsplit('/', 1)[-1]}:{frame.line}" if frame.file and frame.line else ""
    name = frame.function or f"{frame.pc:#x}"
    return f"{name} ({line})" if line else name


def place_text(target: Any, pc: int | None, *, call: bool = True) -> str | None:
    """main.c:38  worker_a of an address; None when no image tells."""
    if not pc:
        return None
    with suppress(ImageMismatch):
        place = where(target, pc, call=call)
        if place is not None and place.text:
            return place.text
    return None


def thread_name(thread: Thread | None, tid: int | None = None) -> str:
    if thread is not None and thread.name:
        return safe(thread.name)  # lines are aligned by what is shown
    number = thread.tid if thread is not None else tid
    return f"tid {number}" if number else "an unknown thread"


def answer(target: Any, question: str) -> Sequence[Any]:
    """A walker's rows, or () when nobody has any."""
    with suppress(NotOffered):
        return tuple(getattr(target.walker(question), question)())
    return ()
