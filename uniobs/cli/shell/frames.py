"""::locals: parameters and local variables of a thread's frames."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from uniobs.cli.shell.line import is_number
from uniobs.cli.shell.state import Shell
from uniobs.cli.shell.table import Call, command
from uniobs.errors import EXIT_INCOMPLETE, EXIT_OK, NotOffered, UniobsError, UsageError
from uniobs.image.types_locals import Local, Spot, locals_of
from uniobs.image.types_plain import Plain
from uniobs.image.types_value import Value
from uniobs.model.guest import Thread
from uniobs.target.stacks import Overlay, start_of

_SURE = frozenset({"registers", "cfi"})
_TRIES = 4
_MOST = 64  # frames


class Found(NamedTuple):
    """A function's frame, numbered as in ::stack. ``why``: its variables aren't known."""

    number: int
    function: str
    locals: list[Local]
    why: str = ""


@command(
    "locals",
    "[THREAD]::locals [FRAME]",
    "parameters and local variables of a thread's frames, or of one of them",
    completes="thread",
    group="values",
)
def locals_(shell: Shell, call: Call) -> int:
    thread = call.dot if isinstance(call.dot, Thread) else shell.thread()
    if thread is None:
        raise UsageError("whose locals? worker-a::locals, or ::thread worker-a first")
    if call.arguments and not is_number(call.arguments):
        raise UsageError("[THREAD]::locals [FRAME], with the frame's number in ::stack")
    found = _still(shell, thread)
    if call.arguments:
        wanted = int(call.arguments)
        found = [frame for frame in found if frame.number == wanted]
        if not found:
            raise UsageError(f"thread {thread.tid} has no frame {wanted}, or it is an inlined one")
    if shell.out.json:
        rows = [_row(frame, local) for frame in found for local in frame.locals]
        shell.object("locals", rows, complete=not any(frame.why for frame in found))
    else:
        for frame in found:
            _show(shell, frame)
    return EXIT_INCOMPLETE if any(frame.why for frame in found) else EXIT_OK


@command(
    "frame",
    "::frame [N|-]",
    "choose a frame of the chosen thread: print then knows its local variables (- : none)",
    group="values",
)
def frame(shell: Shell, call: Call) -> int:
    if call.arguments == "-":
        shell.frame, shell.scope.local = None, None
        return EXIT_OK
    thread = shell.thread()
    if thread is None:
        raise UsageError("whose frame? ::thread worker-a first")
    if call.arguments and not is_number(call.arguments):
        raise UsageError("::frame N, with the frame's number in ::stack")
    wanted = int(call.arguments) if call.arguments else shell.frame
    found = {one.number: one for one in _still(shell, thread)}
    if wanted is None:
        wanted = min(found, default=0)
    if wanted not in found:
        raise UsageError(f"thread {thread.tid} has no frame {wanted}, or it is an inlined one")
    shell.frame = wanted
    shell.local_names = tuple(local.name for local in found[wanted].locals)
    shell.scope.local = partial(_named, shell, thread.tid)
    if shell.out.json:
        shell.object("frame", [{"frame": wanted, "function": found[wanted].function, "tid": thread.tid}])
    else:
        text = f"#{wanted} {found[wanted].function} of thread {thread.tid} {thread.name or ''}"
        shell.out.line(text.rstrip())
    return EXIT_OK


def _named(shell: Shell, tid: int, name: str) -> Value | None:
    """A local variable of the chosen frame; None when it has none of that name."""
    thread = shell.thread()
    if thread is None or thread.tid != tid:
        return None  # another thread was chosen since
    for one in _still(shell, thread):
        if one.number == shell.frame:
            for local in reversed(one.locals):  # the innermost block's
                if local.name == name:
                    if local.value is None:
                        raise NotOffered(f"{name}: {local.why}")
                    return local.value
    return None


def _still(shell: Shell, thread: Thread) -> list[Found]:
    """Of a thread that stood still from before to after. Raises NotOffered when it never did."""
    if not shell.target.live:
        return list(_frames(shell, thread))
    for _ in range(_TRIES):
        before = shell.scope.thread(str(thread.tid))
        found = list(_frames(shell, before))
        shell.target.refresh()
        after = shell.scope.thread(str(thread.tid))
        if (before.saved_sp, before.switches, before.state) == (after.saved_sp, after.switches, after.state):
            return found
    raise NotOffered(f"thread {thread.tid} ran meanwhile")


def _frames(shell: Shell, thread: Thread) -> Iterator[Found]:
    from uniobs.image.unwind import places

    start = start_of(shell.target, thread)
    space = Overlay(shell.scope.space, *start.copy) if start.copy is not None else shell.scope.space
    low, high = thread.stack_lo, thread.stack_hi
    bounds = (low, high) if start.own and low is not None and high is not None and low < high else None
    number = 0
    for place in places(shell.target.modules, space, start.registers, limit=_MOST, stack=bounds):
        module = next((one for one in shell.target.modules if one.holds(place.lookup)), None)
        names = module.symbolise(place.pc, not place.exact) if module is not None else []
        number += max(0, len(names) - 1)
        function = (names[-1].function if names else None) or f"{place.pc:#x}"
        if module is None:
            yield Found(number, function, [], "no image of it is known")
        elif place.trust not in _SURE or module.differs(place.pc):
            yield Found(number, function, [], "this frame isn't certain, so neither are its variables")
            return
        else:
            try:
                spot = Spot(place.lookup, place.cfa, place.registers)
                yield Found(number, function, locals_of(module, spot, space))
            except UniobsError as error:
                yield Found(number, function, [], str(error))
        number += 1


def _show(shell: Shell, frame: Found) -> None:
    shell.out.line(f"#{frame.number} {frame.function}", "head")
    if frame.why:
        shell.out.line(f"  ({frame.why})", "dim")
    for local in frame.locals:
        shown = f"<unknown: {local.why}>"
        if local.value is not None:
            shown = shell.printer().text(local.value).replace("\n", "\n  ")
        shell.lines(f"  {local.name} = {shown}")


def _row(frame: Found, local: Local) -> dict[str, Any]:
    return {
        "frame": frame.number,
        "function": frame.function,
        "name": local.name,
        "parameter": local.parameter,
        "type": str(local.value.type) if local.value is not None else None,
        "value": Plain().of(local.value) if local.value is not None else None,
        "unknown": local.why or None,
    }
