"""uniobs top: threads by CPU time, in batch mode."""

import time
from collections.abc import Iterator
from typing import Final

from uniobs.cli import args, render, session
from uniobs.errors import EXIT_INCOMPLETE, EXIT_OK, UsageError
from uniobs.model import registry

ABOUT = "Threads of a guest by CPU time between two reads (batch mode: -b is implied)."
DOC = """\
In a recording: between the moment and -d seconds before it; -n: that many screens up to the moment.
"""
_END: Final = object()


def make_parser() -> args.Parser:
    parser = args.parser("top", ABOUT, doc=DOC)
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
        rounds = options.iterations or (1 if not target.live else None)
        if target.kind == "recording":
            looks = target.walk(options.delay, (rounds or 1) + 1)
        else:
            looks = _looks(options.delay, target.live)
        next(looks)
        sampler = registry.load(registry.VIEWS, "top").sampler(target)
        shown, complete = 0, True
        while rounds is None or shown < rounds:
            if next(looks, _END) is _END and shown:
                out.notice(f"the recording begins less than {rounds} screens before this moment")
                break
            table = sampler(sort=options.sort)
            if shown and not out.json:
                out.line()
            render.show(out, "top", target.name, table)
            out.flush()
            complete = complete and table.complete
            shown += 1
        return EXIT_OK if complete else EXIT_INCOMPLETE


def _looks(delay: float, live: bool) -> Iterator[None]:
    """The moments at which a guest is looked at; the first screen comes soon."""
    yield
    time.sleep(min(delay, 0.5) if live else 0)
    while True:
        yield
        time.sleep(delay)
