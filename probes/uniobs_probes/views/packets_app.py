"""What rides on TCP and UDP, as far as a one-line summary tells: HTTP's first line, BOOTP's kind."""

from typing import Final

METHODS: Final = (
    *("GET", "PUT", "COPY", "HEAD", "LOCK", "MOVE", "POLL", "POST", "BCOPY", "BMOVE", "MKCOL", "TRACE"),
    *("LABEL", "MERGE", "DELETE", "SEARCH", "UNLOCK", "REPORT", "UPDATE", "NOTIFY", "BDELETE", "CONNECT"),
    *("OPTIONS", "CHECKIN", "PROPFIND", "CHECKOUT", "CCM_POST", "SUBSCRIBE", "PROPPATCH", "BPROPFIND"),
    *("BPROPPATCH", "UNCHECKOUT", "MKACTIVITY", "MKWORKSPACE", "UNSUBSCRIBE", "RPC_CONNECT"),
    *("VERSION-CONTROL", "BASELINE-CONTROL"),
)


def printable(raw: bytes) -> str:
    """Bytes fit for a terminal: what isn't printable ASCII is escaped as ^X and M-X."""
    out = []
    for byte in raw:
        meta = "M-" if byte > 127 else ""
        byte &= 127
        out.append(f"{meta}^{chr(byte ^ 64)}" if byte < 32 or byte == 127 else meta + chr(byte))
    return "".join(out)


def http(payload: bytes, size: int, verbose: int) -> str:
    """``: HTTP: GET / HTTP/1.1``; with -v all of the head's lines."""
    first, space, _ = payload.partition(b" ")
    known = space and (first.startswith(b"HTTP/") or first.decode("latin-1") in METHODS)
    if not known:
        return ": HTTP"
    lines = [line.removesuffix(b"\r") for line in payload.split(b"\n")]
    if not verbose:
        if len(lines) > 1:
            return ": HTTP: " + printable(lines[0])
        return ": HTTP [|http]" if len(payload) < size else ": HTTP"
    out = f": HTTP, length: {size}"
    for line in lines[:-1]:
        if not _is_text(line):
            return out
        out += f"\n\t{printable(line)}"
    rest = lines[-1]
    return out + (f"\n\t{printable(rest)} [|http]" if rest and _is_text(rest) else "")


def _is_text(line: bytes) -> bool:
    return all(32 <= byte < 127 or byte == 9 for byte in line)


def bootp(body: bytes, size: int) -> str:
    if len(body) < 34:
        return f"BOOTP/DHCP, length {size} [|bootp]"
    kind = {1: "Request", 2: "Reply"}.get(body[0], f"unknown ({body[0]:#04x})")
    out = f"BOOTP/DHCP, {kind}"
    if body[0] == 1 and body[1] == 1 and body[2] == 6:
        out += " from " + ":".join(f"{byte:02x}" for byte in body[28:34])
    return f"{out}, length {size}"
