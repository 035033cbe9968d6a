"""Every field of a packet somebody opened (-vv), dissected by scapy: the only place that imports it."""

import logging
import struct

from uniobs.errors import NotOffered
from uniobs.model.text import safe

MAX_LINES = 400


def detail(data: bytes) -> list[str]:
    """One field a line, by layer. Raises NotOffered when scapy isn't installed."""
    logging.getLogger("scapy").setLevel(logging.ERROR)  # it warns about the host's interfaces
    try:
        from scapy.error import Scapy_Exception
        from scapy.layers import dhcp, dns, inet, inet6  # noqa: F401  (layers that dissection finds)
        from scapy.layers.l2 import Ether
    except ImportError as error:
        raise NotOffered("-vv needs scapy: pip install 'uniobs[packets]'") from error
    try:
        text = str(Ether(data).show(dump=True))
    except (Scapy_Exception, struct.error, ValueError, LookupError, TypeError, AttributeError) as error:
        return [f"  (scapy can't dissect it: {safe(str(error))})"]
    return ["  " + safe(line) for line in text.splitlines()[:MAX_LINES] if line.strip()]
