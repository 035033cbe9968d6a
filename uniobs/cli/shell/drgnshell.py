"""drgn on a guest: its memory through our page tables, its images where they were proven to be."""

import sys
from typing import Any

from uniobs.cli.output import Output
from uniobs.errors import EXIT_OK, EXIT_USAGE, NotOffered, UniobsError
from uniobs.target.modules import segments

_END = 1 << 64
MISSING = "drgn isn't installed: pip install 'uniobs[drgn]'"


def program(target: Any) -> Any:
    """A drgn.Program over a target. NotOffered without drgn, or without an image."""
    try:
        import drgn
    except ImportError:
        raise NotOffered(MISSING) from None
    modules = [module for module in target.modules if module.dwarf is not None]
    if not modules:
        raise NotOffered(f"drgn needs an image of {target.name} with debug information: --image FILE")
    made = drgn.Program(drgn.Platform(drgn.Architecture.X86_64))

    def virtual(address: int, count: int, offset: int, physical: bool) -> bytes:
        try:
            found: bytes = target.space.read(address, count)
            return found
        except UniobsError as error:
            raise drgn.FaultError(str(error), address) from None

    def real(address: int, count: int, offset: int, physical: bool) -> bytes:
        try:
            found: bytes = target.memory.read(address, count)
            return found
        except UniobsError as error:
            raise drgn.FaultError(str(error), address) from None

    made.add_memory_segment(0, _END - 1, virtual, False)
    made.add_memory_segment(0, _END - 1, real, True)
    for number, module in enumerate(modules):
        _add(made, module, number)
    return made


def _add(made: Any, module: Any, number: int) -> None:
    """Raises NotOffered when drgn would look for it elsewhere than where it was proven to be."""
    placed = made.extra_module(module.name, number, create=True)
    files = [str(elf.path) for elf in (module.debug, module.elf) if elf is not None]
    spans = segments(module)
    bias = module.bias % _END
    low = min(address for address, _ in spans)
    high = max(address + size for address, size in spans)

    def range_() -> None:
        placed.address_range = ((low + bias) % _END, (high + bias) % _END)

    def load() -> None:
        for path in files:
            placed.try_file(path, force=True)

    # A range that is known first is what drgn slides a file to.
    for step in (range_, load) if bias else (load, range_):
        step()
    if placed.debug_file_bias != bias:
        found = placed.debug_file_bias or 0
        raise NotOffered(f"drgn would take {module.name} at {found:#x}, not at {bias:#x}")


def names(target: Any, made: Any) -> dict[str, Any]:
    """What the prompt has besides drgn's own."""

    def threads() -> list[Any]:
        """The guest's threads, as uniobs ps has them."""
        target.refresh()
        return list(target.walker("threads").threads())

    def stack(tid: int | str) -> Any:
        """A thread's frames (drgn's StackTrace), by id or name."""
        target.refresh()
        for thread in target.walker("threads").threads():
            if tid in (thread.tid, thread.name):
                found = target.stack(thread)
                if not found.frames:
                    raise ValueError(found.error or "no frame is known")
                pcs = [frame.pc for frame in found.frames if not frame.inlined_into]
                return made.stack_trace_from_pcs(pcs)
        raise LookupError(f"no thread {tid}")

    return {"target": target, "threads": threads, "stack": stack}


def run(target: Any, out: Output, commands: list[str] | None) -> int:
    """drgn's prompt; with ``commands``: these, as Python."""
    made = program(target)
    if commands is not None:
        return _batch(target, made, out, commands)
    from drgn.cli import run_interactive

    def more(found: dict[str, Any]) -> dict[str, Any]:
        return {**found, **names(target, made)}

    def banner(text: str) -> str:
        return f"{text}\n{target.name}: prog, threads(), stack(TID or NAME); target is uniobs' own"

    run_interactive(made, banner_func=banner, globals_func=more)
    return EXIT_OK


def _batch(target: Any, made: Any, out: Output, commands: list[str]) -> int:
    from drgn.cli import default_globals

    def show(value: Any) -> None:
        for row in str(value).splitlines() if value is not None else ():
            out.line(row)

    scope = {**default_globals(made), **names(target, made)}
    sys.displayhook = show
    for text in commands:
        try:
            code = compile(text, "-c", "single")
            exec(code, scope)  # what the user typed, in the user's own process
        except Exception as error:  # noqa: BLE001 - the user's own Python may raise anything
            out.flush()
            out.closing(f"uniobs: {type(error).__name__}: {error}")
            return EXIT_USAGE
    return EXIT_OK
