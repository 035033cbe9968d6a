"""uniobs ps: threads."""

from uniobs.cli import args, session
from uniobs.cli.output import Output
from uniobs.errors import UsageError

ABOUT = "Threads of a guest, and what each waits for."
DOC = """\
STAT: R running or ready, S waiting, D waiting for a mutex, T stopped, Z exited, ? its row was being written.
%CPU is since the thread's start (top shows it between two reads). STACK: deepest use / size.
Accepted as ps has them: -e -f -L -T aux. Columns for -o: see --columns.
"""
_BSD = frozenset("auxwefjlmH")


def make_parser() -> args.Parser:
    parser = args.parser("ps", ABOUT, words="[aux]", doc=DOC)
    add = parser.add_argument
    for flag in "eAfFLTlwmHjy":
        add(f"-{flag}", action="count", help="accepted: every thread is shown")
    add(
        "-o",
        "--format",
        action="append",
        metavar="COL,COL",
        help="columns; COL=TITLE renames, COL= hides the title",
    )
    add("-O", action="append", dest="extra", metavar="COL,COL", help="the default columns and these")
    add(
        "-p",
        "-t",
        dest="tids",
        action="append",
        type=args.number_list,
        metavar="TID",
        help="only these threads",
    )
    add("-C", dest="names", action="append", metavar="NAME", help="only threads of this name")
    add("--sort", metavar="[-]COL,COL", help="order; - is descending")
    add("--no-headers", "--no-heading", action="store_true", help="no header line")
    add("--columns", action="store_true", help="list the columns and end")
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), _join_sort(argv))
    out = session.out_for(options)
    if options.columns:
        return _columns(out)
    with session.opened(options, out) as (target, words):
        for word in words:
            if not set(word.lstrip("-")) <= _BSD:
                raise UsageError(f"ps doesn't know {word!r}: after the target only aux and the like")
        return session.show_view(
            out,
            target,
            "ps",
            headers=not options.no_headers,
            columns=_list(options.format),
            extra=_list(options.extra),
            sort=_list([options.sort] if options.sort else None),
            tids=[tid for tids in options.tids for tid in tids] if options.tids else None,
            names=options.names,
        )


def _join_sort(argv: list[str]) -> list[str]:
    """``--sort -time`` as ps takes it: the key isn't an option."""
    out: list[str] = []
    for word in argv:
        if out and out[-1] == "--sort":
            out[-1] = f"--sort={word}"
        else:
            out.append(word)
    return out


def _list(given: list[str] | None) -> list[str] | None:
    if given is None:
        return None
    return [part for text in given for part in text.replace(" ", ",").split(",") if part]


def _columns(out: Output) -> int:
    from uniobs.model import registry

    for column in registry.load(registry.VIEWS, "ps").columns:
        out.line(f"{column.key:<14} {column.header:<10} {column.doc}")
    return 0
