"""uniobs counters: what the guest counts."""

from uniobs.cli import args, session


def run(argv: list[str]) -> int:
    parser = args.parser(
        "counters",
        "Counters and gauges of a guest.",
        words="[PATTERN...]",
        doc="PATTERN: a name with * and ?.",
    )
    options = args.parse(parser, argv)
    out = session.out_for(options)
    with session.opened(options, out) as (target, words):
        return session.show_view(out, target, "counters", patterns=words)
