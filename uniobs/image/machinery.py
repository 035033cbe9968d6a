"""The frame that matters of a stack: the first that isn't the machinery of waiting or dying."""

import re
from typing import Final

from uniobs.image.demangle import bare
from uniobs.model.guest import Frame, Stack

# parts of function names, between underscores: mutex_lock, pthread_cond_wait, __futex_abstimed_wait64...
WAITING: Final = re.compile(
    r"(^|_)(k?mutex|k?cond|sem|mbox|lock|unlock|lll|futex|wait\w*|block\w*|(?:re)?sched\w*|switch\w*|context|yield"
    r"|syscall|sleep|nanosleep|pthread|thread|uniobs)(_|\d|$)"
)
DYING: Final = re.compile(
    r"(^|_)k?assert(ion)?(_func|_rtn)?$|(^|_)(panic|fail\w*|abort|stack_chk\w*|raise|pthread_kill\w*|oops|uniobs"
    r"|halt|hlt|ukplat)(_|\d|$)|^(system_off|acpi_poweroff|platform_exit)$"
)
ALLOCATING: Final = re.compile(DYING.pattern + r"|(^|_)(k?[mc]?alloc\w*|realloc|heap|oom|sbrk)(_|\d|$)")


def caller(stack: Stack, machinery: re.Pattern[str]) -> Frame | None:
    """The first frame, from the innermost, whose function isn't part of the machinery."""
    for frame in stack.frames:
        if frame.function is not None and not machinery.search(bare(frame.function)):
            return frame
    return stack.frames[-1] if stack.frames else None


def waits_at(stack: Stack) -> Frame | None:
    return caller(stack, WAITING)


def died_at(stack: Stack, kind: str) -> Frame | None:
    """``kind``: of the panic. Who asked for memory matters, not the allocator that found none."""
    return caller(stack, ALLOCATING if kind == "oom" else DYING)
