"""uniobs dmesg: the guest's log."""

from uniobs.cli import args, follow, session
from uniobs.model import registry

DOC = "Levels: emerg alert crit err warn notice info debug; err+ is that and worse, +info that and less."


def make_parser() -> args.Parser:
    parser = args.parser("dmesg", "The log of a guest.", doc=DOC)
    add = parser.add_argument
    add("-w", "--follow", action="store_true", help="wait for new lines")
    add("-W", "--follow-new", action="store_true", help="only new lines")
    add(
        "-T",
        "--ctime",
        action="store_true",
        help="the date and time of each line, when the guest has a clock",
    )
    add("-l", "--level", metavar="LEVELS", help="only these levels")
    add("-x", "--decode", action="store_true", help="the level in front")
    add("-t", "--notime", action="store_true", help="no times")
    add("-J", dest="json", action="store_true", help="as --json")
    add("-p", dest="tids", action="append", type=args.number_list, metavar="TID", help="only these threads")
    add("-n", "--count", type=args.positive(int), metavar="N", help="end after N lines")
    add("--symbolise", action="store_true", help="names and lines on the addresses in it")
    add("-H", "--human", action="store_true", help="accepted")
    add("-P", "--nopager", action="store_true", help="accepted")
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    out = session.out_for(options)
    with session.opened(options, out) as (target, words):
        session.refuse_words(words, "dmesg")
        stream = registry.load(registry.STREAMS, "dmesg")(
            target,
            levels=options.level,
            wall=options.ctime,
            decode=options.decode,
            times=not options.notime,
            tids=[tid for tids in options.tids or () for tid in tids],
        )
        if options.ctime and stream.wall_ns is None:
            out.notice("this guest has no wall clock: times are since its boot")
        if options.symbolise:
            from uniobs.cli.namedlog import NamedLog

            stream = NamedLog(stream, target.modules)
        forever = options.follow or options.follow_new
        history = not forever or follow.wants_history(target, False)
        return follow.run(
            out, target, stream, history=history, count=options.count, from_start=not options.follow_new
        )
