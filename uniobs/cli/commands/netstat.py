"""uniobs netstat: sockets, interfaces, routes, network counters."""

from uniobs.cli import args, session

ABOUT = "Sockets of a guest (-i interfaces, -r routes, -s counters), laid out as netstat does."


def make_parser() -> args.Parser:
    parser = args.parser("netstat", ABOUT, doc="Addresses and ports are always numeric. -p shows tid/name.")
    add = parser.add_argument
    add("-t", "--tcp", action="store_true", help="TCP only")
    add("-u", "--udp", action="store_true", help="UDP only")
    add("-w", "--raw", action="store_true", help="raw only")
    add("-a", "--all", action="store_true", help="listening ones too")
    add("-l", "--listening", action="store_true", help="only listening ones")
    add("-n", "--numeric", action="store_true", help="accepted")
    add("-p", "--programs", action="store_true", help="the thread that owns each")
    add("-e", "--extend", action="store_true", help="bytes received and sent too")
    add("-W", "--wide", action="store_true", help="accepted: addresses are never cut")
    add("-4", dest="four", action="store_true", help="accepted")
    add("-i", "--interfaces", action="store_true", help="the interface table")
    add("-r", "--route", action="store_true", help="the routes that are known")
    add("-s", "--statistics", action="store_true", help="network counters")
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    out = session.out_for(options)
    with session.opened(options, out) as (target, words):
        session.refuse_words(words, "netstat")
        if options.interfaces:
            return session.show_view(out, target, "interfaces", name="netstat -i")
        if options.route:
            return session.show_view(out, target, "routes", name="netstat -r")
        if options.statistics:
            return session.show_view(out, target, "netstat-s", name="netstat -s", headers=False)
        kinds = [kind for kind in ("tcp", "udp", "raw") if getattr(options, kind)]
        return session.show_view(
            out,
            target,
            "netstat",
            kinds=kinds,
            all=options.all,
            listening=options.listening,
            programs=options.programs,
            extend=options.extend,
        )
