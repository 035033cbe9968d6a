"""uniobs tui: the command."""

import sys

from uniobs.cli import args
from uniobs.errors import UsageError

DOC = """\
TARGET: as everywhere (a name, pid, core, recording). Without one: every guest on this host.
"""


def make_parser() -> args.Parser:
    return args.parser("tui", "The terminal UI.", doc=DOC)


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    spec, words = args.split_target(options)
    if words:
        raise UsageError(f"tui takes no {words[0]!r} after the target")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the terminal UI needs a terminal: uniobs ls, why and ps answer without one")
    from uniobs_tui.app import UniobsApp
    from uniobs_tui.session import Session

    session = Session(spec, options.image, options.at) if spec is not None else None
    code = UniobsApp(session, options.image).run()
    return code or 0
