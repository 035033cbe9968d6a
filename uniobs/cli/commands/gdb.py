"""uniobs gdb: stock gdb on a guest, where gdb can be right."""

import os
import shutil
from typing import Any

from uniobs.cli import args, session
from uniobs.cli.output import Output
from uniobs.errors import NotOffered, OutputError

DOC = """\
A hosted guest: gdb attaches to the process (it stops while gdb has it). Its core: gdb on image and core.
A QEMU core: gdb takes addresses in it as they are, which is right when the guest maps memory one to one;
that is checked first. Everything after -- goes to gdb.
"""
IDENTITY_PROBES = 16


def run(argv: list[str]) -> int:
    parser = args.parser("gdb", "Stock gdb on a guest.", words="[-- GDB OPTIONS]", doc=DOC)
    parser.add_argument("--print", action="store_true", help="print the command instead of running it")
    options = args.parse(parser, argv)
    out = session.out_for(options)
    with session.opened(options, out) as (target, words):
        gdb = shutil.which("gdb")
        if gdb is None:
            raise NotOffered("gdb isn't here: install it")
        command = [gdb, *_arguments(target, out, options.image), *words]
    if options.print or options.json:
        import shlex

        out.object({"command": command}) if options.json else out.line(shlex.join(command))
        return 0
    out.flush()
    try:
        os.execv(gdb, command)
    except OSError as error:
        raise OutputError(f"{gdb}: {error.strerror}") from error


def _arguments(target: Any, out: Output, images: list[str]) -> list[str]:
    modules = target.modules
    image = str(modules[0].path) if modules else images[0] if images else None
    if target.kind == "process":
        out.notice(f"{target.name} stops while gdb has it; detach or quit lets it run on")
        return [*([image] if image is not None else []), "-p", str(target.pid)]
    if target.kind != "core":
        raise NotOffered(
            f"gdb on a running VM would need its gdbstub: uniobs core take {target.name} -o FILE, "
            "then uniobs gdb FILE"
        )
    if image is None:
        raise NotOffered(f"gdb needs the image of {target.name}: --image FILE")
    path = target.origin.backend
    region = target.region
    hosted = region is not None and region.hosted
    if not hosted:
        _check_identity(target, modules)
        out.notice("gdb shows the vCPUs as threads; the guest's own threads are in uniobs bt")
    return [image, str(path)]


def _check_identity(target: Any, modules: Any) -> None:
    """gdb reads an address of the core's PT_LOAD p_vaddr, which QEMU leaves 0 or physical: right only where
    the guest maps memory one to one. Raises NotOffered."""
    space = target.space
    for module in modules:
        for low, high in module.code_ranges:
            step = max(4096, (high - low) // IDENTITY_PROBES)
            for address in range(low, high, step):
                if space.translate(address) != address:
                    raise NotOffered(
                        f"gdb would be wrong on this core: {address:#x} isn't mapped one to one, and gdb "
                        "takes physical addresses for virtual ones; use uniobs bt, ps, why"
                    )
