"""uniobs counters: what the guest counts."""

from uniobs.cli import args, session


def make_parser() -> args.Parser:
    return args.parser(
        "counters",
        "Counters and gauges of a guest.",
        words="[PATTERN...]",
        doc="PATTERN: a name with * and ?.",
    )


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    out = session.out_for(options)
    with session.opened(options, out) as (target, words):
        return session.show_view(out, target, "counters", patterns=words)
