"""uniobs tcpdump: packets, live or from the ring of a dead guest, or from a file."""

import argparse
from contextlib import closing, nullcontext
from typing import Any

from uniobs.cli import args, capture, follow, session, tcpdumpvmm
from uniobs.cli.output import Output
from uniobs.errors import EXIT_OK, UsageError
from uniobs.model import registry
from uniobs.region._abi import SECTION_PACKETS

DOC = """\
A live guest is followed from now on (--last: what its packet ring holds, then the end); of a dead one
the last packets are shown. The words after the target are a filter (pcap-filter(7)).
-w FILE writes pcapng (pcap with a name that ends so, or --format); -w - goes to stdout.

--vmm, and a guest without a packet ring: the packets come from its VMM (QEMU, over QMP), whole and timed
by this host. A dump object is attached to its network cards (-i: to one of them) and taken off at the end,
which changes nothing in the guest. uniobs killed with SIGKILL leaves it, and the file it writes, behind:
the next uniobs tcpdump that uses this guest's VMM takes both away and says so.
"""
STAMPS = ("clock", "none", "epoch", "delta", "date", "first")


def make_parser() -> args.Parser:
    parser = args.parser("tcpdump", "Packets of a guest.", words="[FILTER]", doc=DOC)
    add = parser.add_argument
    add("-i", "--interface", metavar="NAME", help="only this interface (any: all)")
    add("-w", dest="write", metavar="FILE", help="write the packets to FILE; - is stdout")
    add("-r", dest="read", metavar="FILE", help="read packets from FILE instead of a guest; - is stdin")
    add("--format", choices=capture.FORMATS, help="of -w")
    add("-c", "--count", type=args.positive(int), metavar="N", help="end after N packets")
    add("-s", "--snapshot-length", type=int, default=0, metavar="N", help="at most N bytes of each packet")
    add("-n", action="count", help="accepted: addresses and ports stay numbers")
    add("-v", "--verbose", action="count", default=0, help="more of each packet; -vv, -vvv")
    add("-q", "--quick", action="store_true", help="accepted")
    add("-e", "--link", action="store_true", help="the link-level header")
    add(
        "-t",
        dest="stamp",
        action="count",
        default=0,
        help="-t none -tt epoch -ttt delta -tttt date -ttttt since first",
    )
    add("-x", dest="hex", action="count", default=0, help="hex; -xx with the link header")
    add("-X", dest="hex_ascii", action="count", default=0, help="hex and text; -XX with the link header")
    add("-A", dest="ascii", action="count", default=0, help="text; -AA with the link header")
    add(
        "-S",
        "--absolute-tcp-sequence-numbers",
        dest="absolute",
        action="store_true",
        help="absolute sequence numbers",
    )
    add("-#", "--number", action="store_true", help="a number in front of each line")
    add("-D", "--list-interfaces", action="store_true", help="the interfaces, then end")
    add("-U", "--packet-buffered", action="store_true", help="write each packet at once")
    add("-l", action="store_true", help="accepted: lines are written at once")
    add("-p", "--no-promiscuous-mode", action="store_true", help="accepted")
    add("--vmm", action="store_true", help="packets from the VMM, though the guest has a packet ring")
    add("--last", action="store_true", help="what the packet ring holds, then end")
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    if options.stamp > 5 or max(options.hex, options.hex_ascii, options.ascii) > 2:
        raise UsageError("-t goes up to -ttttt; -x, -X and -A may be doubled")
    if options.write == "-" and options.json:
        raise UsageError("-w - and --json both want stdout")
    out = session.out_for(options)
    if options.read is not None:
        words = options.words if options.guest is None else [options.guest, *options.words]
        return _from_file(out, options, words)
    with session.opened(options, out) as (target, words):
        if _needs_vmm(target, options):
            return tcpdumpvmm.run(out, target, options, words)
        if options.list_interfaces:
            return _list(out, target)
        history = follow.wants_history(target, options.last)
        snap = _guest_snap(target)
        with (
            make_filter(words) as passes,
            capture.writer(options.write, options.format, snap, flush=options.packet_buffered) as writer,
        ):
            stream = make_stream(target, options, passes, writer)

            def announce() -> None:
                _describe(out, target, stream, options, writer, snap, history)

            whole = not options.last
            return follow.run(
                out, target, stream, history=history, count=options.count, announce=announce, whole=whole
            )


def _needs_vmm(target: Any, options: argparse.Namespace) -> bool:
    """Asked for, or a running VM has no ring. No image ever tells of one: its walkers aren't asked."""
    if options.vmm:
        return True
    if target.kind != "vm" or not target.live or options.last:
        return False
    region = target.region
    return region is None or region.section(SECTION_PACKETS) is None


def make_filter(words: list[str]) -> Any:
    """The compiled filter (a context), None without words."""
    if not words:
        return nullcontext(None)
    from uniobs.export.bpf import Filter

    return closing(Filter(" ".join(words)))


def make_stream(
    target: Any, options: argparse.Namespace, passes: Any, writer: Any, interfaces: Any = None
) -> Any:
    """The stream that prints or writes; ``interfaces`` when they aren't the guest's to tell."""
    dump = "X" * options.hex_ascii or "A" * options.ascii or "x" * options.hex
    return registry.load(registry.STREAMS, "tcpdump")(
        target,
        interface=options.interface if interfaces is None else None,
        interfaces=interfaces,
        passes=passes,
        snap=max(0, options.snapshot_length),
        writer=writer,
        stamp=STAMPS[options.stamp],
        link=options.link,
        verbose=options.verbose,
        dump=dump,
        absolute=options.absolute,
        number=options.number,
    )


def _guest_snap(target: Any) -> int:
    return int(getattr(target.walker("packets").packets(), "snap", 0))


def _describe(
    out: Output, target: Any, stream: Any, options: argparse.Namespace, writer: Any, snap: int, history: bool
) -> None:
    """The line on stderr that tcpdump begins with; interfaces go into a pcapng's head."""
    names = ", ".join(stream.names.values()) or "its interfaces"
    verb = "the packet ring of" if history else "listening on"
    where = f"{options.interface or names} of {target.name}"
    out.closing(f"uniobs: {verb} {where}, link-type EN10MB (Ethernet), snapshot length {snap} bytes")
    region = target.region
    boot_times = region is not None and not region.clock.anchor_wall_ns
    for index, name in stream.names.items():
        if hasattr(writer, "interface"):
            writer.interface(index, name, "times are since the guest's boot" if boot_times else None)


def _list(out: Output, target: Any) -> int:
    for row in sorted(target.walker("interfaces").interfaces(), key=lambda row: row.index):
        if not row.torn:
            out.line(f"{row.index}.{row.name or '?'} [{row.addr or 'no address'}, {row.mac or '-'}]")
    return EXIT_OK


def _from_file(out: Output, options: argparse.Namespace, words: list[str]) -> int:
    with (
        make_filter(words) as passes,
        capture.writer(options.write, options.format, 0, flush=options.packet_buffered) as writer,
    ):
        stream = make_stream(None, options, passes, writer)
        out.closing(f"uniobs: reading from file {options.read}, link-type EN10MB (Ethernet)")
        for packet in capture.packets(options.read):
            if out.json:
                for row in stream.feed_json([packet]):
                    out.object(follow.json_line(stream, None, row))
            else:
                for line in stream.feed([packet]):
                    out.line(line)
            if options.count is not None and stream.shown() >= options.count:
                break
        if writer is not None:
            writer.close(stream.shown(), 0)
    return EXIT_OK
