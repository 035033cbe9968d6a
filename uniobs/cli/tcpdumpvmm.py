"""tcpdump through the VMM: a packet dump attached to the guest's cards for as long as the command runs."""

import argparse
from typing import Any

from uniobs.cli import capture, follow
from uniobs.cli.output import Output
from uniobs.errors import EXIT_OK, NotOffered, UsageError


def run(out: Output, target: Any, options: argparse.Namespace, words: list[str]) -> int:
    """Raises NotOffered with what else would do."""
    from uniobs.cli.commands.tcpdump import make_filter, make_stream
    from uniobs.target import filterdump

    if options.last:
        raise UsageError("--last shows the guest's packet ring; the VMM's packets come from now on only")
    if not target.live or target.kind != "vm":
        raise NotOffered(f"{target.name} isn't a running VM: there is no VMM to ask for packets")
    info = target.origin.info
    if options.list_interfaces:
        for card in filterdump.cards_of(info):
            host = f" ({card.host_interface})" if card.host_interface else ""
            out.line(f"{card.index}.{card.name} [{card.kind}{host}, {card.mac or '-'}]")
        return EXIT_OK
    with (
        make_filter(words) as passes,
        capture.writer(options.write, options.format, 0, flush=options.packet_buffered) as writer,
        filterdump.attached(info, options.interface, out.notice) as (packets, cards),
    ):
        names = {card.index: card.name for card in cards}
        stream = make_stream(target, options, passes, writer, names)
        where = ", ".join(names.values())
        out.closing(
            f"uniobs: listening on {where} of {target.name}, link-type EN10MB (Ethernet), whole packets"
        )
        for index, name in names.items():
            if hasattr(writer, "interface"):
                writer.interface(index, name, None)
        return follow.run(out, target, stream, history=False, count=options.count, source=packets)
