"""uniobs strace: calls, live or the last ones."""

from uniobs.cli import args, follow, session
from uniobs.errors import UsageError
from uniobs.model import registry

DOC = """\
A live guest is followed from now on (--last: what its trace rings hold, then the end);
of a dead one the last calls are shown. -f is implied: each line says which thread.
"""


def make_parser() -> args.Parser:
    parser = args.parser("strace", "Calls of a guest.", doc=DOC)
    add = parser.add_argument
    add("-f", "--follow-forks", action="count", help="accepted: all threads are followed")
    add(
        "-e",
        "--trace",
        dest="only",
        action="append",
        default=[],
        metavar="EXPR",
        help="trace=open,recv  %%network  !%%file",
    )
    add("-T", "--syscall-times", action="store_true", help="time spent in each call")
    add(
        "-t",
        dest="stamp",
        action="count",
        default=0,
        help="time of day; -tt microseconds, -ttt since the epoch",
    )
    add("-r", "--relative-timestamps", action="store_true", help="time since the line before")
    add("-y", "--decode-fds", action="count", default=0, help="what each descriptor is")
    add("-s", "--string-limit", type=int, default=32, metavar="N", help="bytes of each buffer (32)")
    add(
        "-p",
        "--attach",
        dest="tids",
        action="append",
        type=args.number_list,
        metavar="TID",
        help="only these threads",
    )
    add("-z", "--successful-only", action="store_true", help="only calls that succeeded")
    add("-Z", "--failed-only", action="store_true", help="only calls that failed")
    add("-c", "--summary-only", action="store_true", help="a table of calls at the end, no lines")
    add("-C", "--summary", action="store_true", help="lines, and the table at the end")
    add("-o", "--output", metavar="FILE", help="write the lines to FILE")
    add("-q", "--quiet", action="count", default=0, help="no closing lines")
    add("-n", "--count", type=args.positive(int), metavar="N", help="end after N lines")
    add("--last", action="store_true", help="what the trace rings hold, then end")
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    if options.stamp > 3:
        raise UsageError("-t may be given three times at most")
    if options.successful_only and options.failed_only:
        raise UsageError("-z and -Z leave nothing to show")
    out = session.out_for(options)
    with session.opened(options, out) as (target, words):
        session.refuse_words(words, "strace")
        stream = registry.load(registry.STREAMS, "strace")(
            target,
            durations=options.syscall_times,
            stamp="r" if options.relative_timestamps else ("", "t", "tt", "ttt")[options.stamp],
            descriptors=bool(options.decode_fds),
            strings=max(0, options.string_limit),
            only=options.only,
            tids=[tid for tids in options.tids or () for tid in tids],
            outcome="ok" if options.successful_only else "failed" if options.failed_only else "any",
            lines=not options.summary_only,
            summary=options.summary_only or options.summary,
        )
        history = follow.wants_history(target, options.last)
        with session.redirected(out, options.output):
            return follow.run(
                out,
                target,
                stream,
                history=history,
                count=options.count,
                quiet=bool(options.quiet),
                whole=not options.last,
            )
