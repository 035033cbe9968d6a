"""uniobs top: threads by CPU time, in batch mode."""

import time

from uniobs.cli import args, render, session
from uniobs.errors import EXIT_INCOMPLETE, EXIT_OK, UsageError
from uniobs.model import registry

ABOUT = "Threads of a guest by CPU time between two reads (batch mode: -b is implied)."


def make_parser() -> args.Parser:
    parser = args.parser("top", ABOUT)
    add = parser.add_argument
    add("-b", "--batch", action="store_true", help="accepted")
    add("-H", "--threads", action="store_true", help="accepted")
    add("-n", "--iterations", type=args.positive(int), metavar="N", help="end after N screens")
    add(
        "-d", "--delay", type=args.positive(float), default=1.0, metavar="SECONDS", help="between screens (1)"
    )
    add("-o", "--sort", metavar="COL", help="order by this column, descending (%%CPU)")
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    out = session.out_for(options)
    with session.opened(options, out) as (target, words):
        session.refuse_words(words, "top")
        if options.sort and options.sort.lstrip("+-") == "":
            raise UsageError("-o needs a column")
        view = registry.load(registry.VIEWS, "top")
        sampler = view.sampler(target)
        rounds = options.iterations or (1 if not target.live else None)
        shown, complete = 0, True
        if target.live:
            time.sleep(min(options.delay, 0.5))
        while True:
            table = sampler(sort=options.sort)
            if shown and not out.json:
                out.line()
            render.show(out, "top", target.name, table)
            out.flush()
            complete = complete and table.complete
            shown += 1
            if rounds is not None and shown >= rounds:
                return EXIT_OK if complete else EXIT_INCOMPLETE
            time.sleep(options.delay)
