"""uniobs ls: the guests on this host."""

from uniobs.cli import args, session
from uniobs.errors import EXIT_INCOMPLETE, EXIT_OK

DOC = """\
SEES: stub (the region in the guest), walker (its debug information), memory (neither: only bytes).
BEAT: how long ago its scheduler last ran. A core file can be named too, to be listed with the guests.
"""


def make_parser() -> args.Parser:
    parser = args.parser("ls", "The guests on this host.", words="[CORE...]", target=False, doc=DOC)
    parser.add_argument(
        "--image", action="append", default=[], metavar="FILE", help="an ELF of the guests; repeatable"
    )
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    out = session.out_for(options)
    from uniobs.cli import render
    from uniobs.model import registry

    view = registry.load(registry.VIEWS, "ls")
    table = view.rows(None, files=options.words, images=options.image)
    if not table.rows and not out.json:
        out.line("No guest is running on this host, as far as this user can see.  Next:  uniobs doctor")
        return EXIT_OK
    render.show(out, "ls", None, table, headers=True)
    return EXIT_OK if table.complete else EXIT_INCOMPLETE
