"""uniobs ss: sockets, with ss's filters."""

from uniobs.cli import args, session

ABOUT = "Sockets of a guest, with ss's filters."
DOC = """\
Filters: state established (or listening, connected, synchronized, all...), exclude STATE,
'dport = :80', 'sport = :80', src/dst ADDRESS[/PREFIX][:PORT], joined by and, or, not and ( ).
Ports are always numeric.
"""


def make_parser() -> args.Parser:
    parser = args.parser("ss", ABOUT, words="[FILTER]", doc=DOC)
    add = parser.add_argument
    add("-t", "--tcp", action="store_true", help="TCP only")
    add("-u", "--udp", action="store_true", help="UDP only")
    add("-w", "--raw", action="store_true", help="raw only")
    add("-a", "--all", action="store_true", help="listening ones too")
    add("-l", "--listening", action="store_true", help="only listening ones")
    add("-n", "--numeric", action="store_true", help="accepted")
    add("-p", "--processes", action="store_true", help="the thread and descriptor of each")
    add("-i", "--info", action="store_true", help="congestion window, round trip, retransmits")
    add("-o", "--options", action="store_true", help="timers (said when they aren't known)")
    add("-e", "--extended", action="store_true", help="age and bytes too")
    add("-H", "--no-header", action="store_true", help="no header line")
    add("-O", "--oneline", action="store_true", help="accepted with -i: one line a socket")
    add("-4", "--ipv4", action="store_true", help="accepted")
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    out = session.out_for(options)
    with session.opened(options, out) as (target, words):
        kinds = [kind for kind in ("tcp", "udp", "raw") if getattr(options, kind)]
        return session.show_view(
            out,
            target,
            "ss",
            headers=not options.no_header,
            kinds=kinds,
            all=options.all,
            listening=options.listening,
            processes=options.processes,
            info=options.info,
            timers=options.options,
            extended=options.extended,
            oneline=options.oneline,
            filter=words,
        )
