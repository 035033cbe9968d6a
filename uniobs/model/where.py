"""Where in the source an address lies, as far as the target's modules know."""

import os
from typing import Any, NamedTuple


class Place(NamedTuple):
    """``inlined`` are the functions that were inlined around it, outermost last."""

    function: str | None
    file: str | None
    line: int | None
    inlined: tuple[str, ...] = ()
    unproven: bool = False

    @property
    def text(self) -> str:
        """main.c:41 worker_a"""
        spot = f"{self.file.rsplit('/', 1)[-1]}:{self.line}" if self.file and self.line else ""
        return "  ".join(part for part in (spot, self.function or "") if part)


def image_name(module: Any) -> str:
    """Its file's name; what /proc/PID/exe stands for is looked up."""
    path = str(module.path)
    if path.startswith("/proc/"):
        try:
            return os.path.basename(os.readlink(path)).removesuffix(" (deleted)")
        except OSError:
            return str(module.name)
    return str(module.name)


def proof_text(module: Any) -> str:
    """How it is known that this image is the one in memory."""
    proof = module.proof
    if proof is None:
        return "not compared with memory"
    if proof.forced:
        return "UNPROVEN (--force)"
    if proof.proven:
        return "text proven" if not proof.differing else "text proven but for functions that differ"
    return "build-id proven, text not held" if proof.build_id else "not proven"


def where(target: Any, pc: int, *, call: bool = False) -> Place | None:
    """The innermost place of ``pc``; None when no module covers it. ``call``: pc is a return address,
    so the line of the call is meant. Raises ImageMismatch when the named image isn't the one in memory."""
    for module in target.modules:
        frames = module.symbolise(pc, call)
        if frames:
            first = frames[0]
            outer = tuple(frame.function or "?" for frame in frames[1:])
            return Place(first.function, first.file, first.line, outer, module.differs(pc))
    return None
