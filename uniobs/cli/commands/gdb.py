"""uniobs gdb: stock gdb on a guest, right from the first command."""

import os
import shutil
from typing import Any

from uniobs.cli import args, debuggers, session
from uniobs.cli.output import Output
from uniobs.errors import NotOffered, OutputError

DOC = """\
A core of a VM is fixed first (uniobs core fix), into a file without a name that ends with gdb; the core stays
as it is. A hosted guest: gdb attaches to the process (it stops while gdb has it); its core: gdb on image and
core. Everything after -- goes to gdb.
"""


def make_parser() -> args.Parser:
    parser = args.parser("gdb", "Stock gdb on a guest.", words="[-- GDB OPTIONS]", doc=DOC)
    parser.add_argument("--print", action="store_true", help="print the commands instead of running them")
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    out = session.out_for(options)
    with session.opened(options, out) as (target, words):
        gdb = shutil.which("gdb")
        if gdb is None:
            raise NotOffered("gdb isn't here: install it")
        telling = options.print or options.json
        before, arguments = _arguments(target, out, options.image, telling)
        command = [gdb, *arguments, *words]
    if telling:
        import shlex

        if options.json:
            out.object({"before": before, "command": command})
        else:
            for one in (*([before] if before else []), command):
                out.line(shlex.join(one))
        return 0
    out.flush()
    try:
        os.execv(gdb, command)
    except OSError as error:
        raise OutputError(f"{gdb}: {error.strerror}") from error


def _arguments(
    target: Any, out: Output, images: list[str], telling: bool
) -> tuple[list[str] | None, list[str]]:
    """(the command to run before, gdb's words). ``telling``: they are printed, and nothing is made."""
    modules = target.modules
    image = str(modules[0].path) if modules else images[0] if images else None
    if target.kind == "process":
        out.notice(f"{target.name} stops while gdb has it; detach or quit lets it run on")
        return None, [*([image] if image is not None else []), "-p", str(target.pid)]
    if target.live or target.kind not in ("core", "memory"):
        raise NotOffered(
            f"gdb on a running VM would need its gdbstub: uniobs core take {target.name} -o FILE, "
            "then uniobs gdb FILE"
        )
    if image is None:
        raise NotOffered(f"gdb needs the image of {target.name}: --image FILE")
    from uniobs.export import gdbcore_file

    path = str(target.origin.backend)
    if target.kind == "core" and gdbcore_file.hosted(target):
        return None, [image, path]
    gdbcore_file.check(target)
    if gdbcore_file.is_fixed(path):
        return None, debuggers.gdb(path, modules)
    if telling:
        from uniobs.cli.corefix import default_name

        name = default_name(path)
        named = [word for file in images for word in ("--image", file)]
        return ["uniobs", "core", "fix", path, "-o", name, *named], debuggers.gdb(name, modules)
    return None, _on_a_copy(target, out)


def _on_a_copy(target: Any, out: Output) -> list[str]:
    """gdb's words for a fixed copy without a name, and for the threads' names: both end with the process."""
    from uniobs.cli import corefix, scratch
    from uniobs.export import gdbcore_file

    path = str(target.origin.backend)
    fd = scratch.nameless(os.path.dirname(os.path.abspath(path)), os.path.getsize(path))
    try:
        done = gdbcore_file.fix_into(target, fd)
    except OSError as error:
        raise OutputError(f"the fixed copy: {error.strerror}") from error
    corefix.say_gaps(out, done)
    words = debuggers.gdb(scratch.inherited(fd), target.modules)
    script = debuggers.thread_names(done.view.names, [thread.pid for thread in done.view.threads])
    if script:
        words += ["-x", scratch.inherited(scratch.holding(script))]
    return words
