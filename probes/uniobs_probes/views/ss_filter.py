"""ss's filter language: states, then an expression over ports and addresses.

FILTER := { 'state' STATE | 'exclude' STATE } [ EXPRESSION ]; EXPRESSION is made of ``dport = :80``,
``sport``, ``dst 10.0.2.2[/24][:80]``, ``src``, with = != < > <= >= (and eq neq lt gt le ge), joined by
and, or, not (&& || !) and parentheses; two tests side by side mean and.
"""

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network

from uniobs.errors import UsageError
from uniobs.model.guest import Socket

Test = Callable[[Socket], bool]

STATES = {
    "established": "ESTAB",
    "syn-sent": "SYN-SENT",
    "syn-recv": "SYN-RECV",
    "fin-wait-1": "FIN-WAIT-1",
    "fin-wait-2": "FIN-WAIT-2",
    "time-wait": "TIME-WAIT",
    "closed": "UNCONN",
    "close-wait": "CLOSE-WAIT",
    "last-ack": "LAST-ACK",
    "listening": "LISTEN",
    "listen": "LISTEN",
    "closing": "CLOSING",
    "unconnected": "UNCONN",
}
_ALL = frozenset(STATES.values())
GROUPS = {
    "all": _ALL,
    "connected": _ALL - {"LISTEN", "UNCONN"},
    "synchronized": _ALL - {"LISTEN", "UNCONN", "SYN-SENT"},
    "bucket": frozenset({"SYN-RECV", "TIME-WAIT"}),
    "big": _ALL - {"SYN-RECV", "TIME-WAIT"},
}
_WORD = re.compile(r"\s*(&&|\|\||!=|<=|>=|==|[()=<>!]|[^\s()=<>!&|]+)")
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}
_SAME = {
    "==": "=", "eq": "=", "is": "=", "ne": "!=", "neq": "!=", "lt": "<", "gt": ">", "le": "<=", "leq": "<=",
    "ge": ">=", "geq": ">=", "!": "not", "&&": "and", "||": "or", "&": "and", "|": "or",
}  # fmt: skip
MAX_WORDS = 500


def parse(words: Sequence[str]) -> tuple[frozenset[str] | None, Test]:
    """(the states to show or None when none was named, the expression). Raises UsageError."""
    return _Parser(" ".join(words)).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.words: list[str] = []
        at = 0
        while at < len(text.rstrip()):
            match = _WORD.match(text, at)
            if match is None:
                raise UsageError(f"ss filter: {text[at:].strip()[:20]!r} is not understood")
            self.words.append(match.group(1))
            at = match.end()
        if len(self.words) > MAX_WORDS:
            raise UsageError(f"ss filter: more than {MAX_WORDS} words")
        self.at = 0

    def _peek(self) -> str:
        word = self.words[self.at].lower() if self.at < len(self.words) else ""
        return _SAME.get(word, word)

    def _next(self, wanted: str) -> str:
        if self.at >= len(self.words):
            raise UsageError(f"ss filter: {self.text!r} ends where {wanted} should follow")
        self.at += 1
        return self.words[self.at - 1]

    def parse(self) -> tuple[frozenset[str] | None, Test]:
        states: frozenset[str] | None = None
        while self._peek() in ("state", "exclude"):
            kind = self._next("a state").lower()
            named = _states(self._next("a state"))
            if kind == "state":
                states = named if states is None else states | named
            else:
                states = (_ALL if states is None else states) - named
        if self.at == len(self.words):
            return states, lambda _: True
        test = self._or()
        if self.at < len(self.words):
            raise UsageError(f"ss filter: {self.words[self.at]!r} is not understood there")
        return states, test

    def _or(self) -> Test:
        tests = [self._and()]
        while self._peek() == "or":
            self.at += 1
            tests.append(self._and())
        return tests[0] if len(tests) == 1 else lambda s: any(test(s) for test in tests)

    def _and(self) -> Test:
        tests = [self._not()]
        while self._peek() not in ("", "or", ")"):
            if self._peek() == "and":
                self.at += 1
            tests.append(self._not())
        return tests[0] if len(tests) == 1 else lambda s: all(test(s) for test in tests)

    def _not(self) -> Test:
        negate = False
        while self._peek() == "not":
            self.at += 1
            negate = not negate
        test = self._single()
        return (lambda s: not test(s)) if negate else test

    def _single(self) -> Test:
        word = self._next("a test").lower()
        if word == "(":
            test = self._or()
            if self._next(")") != ")":
                raise UsageError("ss filter: a ) is missing")
            return test
        if word not in ("dport", "sport", "dst", "src"):
            raise UsageError(f"ss filter: no test named {word!r}: there are dport, sport, dst and src")
        operator = "="
        if self._peek() in _COMPARE:
            operator = self._peek()
            self.at += 1
        value = self._next("a value")
        far = word.startswith("d")
        if word in ("dport", "sport"):
            return _port_test(far, operator, _port(value.removeprefix(":")))
        if operator not in ("=", "!="):
            raise UsageError(f"ss filter: {word} takes = or !=, not {operator}")
        test = _address_test(far, value)
        return test if operator == "=" else lambda s: not test(s)


def _states(word: str) -> frozenset[str]:
    name = word.lower()
    if name in GROUPS:
        return GROUPS[name]
    if name not in STATES:
        raise UsageError(f"ss filter: no state {word!r}: there are {', '.join([*STATES, *GROUPS])}")
    return frozenset({STATES[name]})


def _port(text: str) -> int:
    if text.isdecimal() and int(text) < 65536:
        return int(text)
    import socket

    try:
        return socket.getservbyname(text)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"ss filter: {text!r} is no port") from error


def _port_test(far: bool, operator: str, port: int) -> Test:
    compare = _COMPARE[operator]

    def test(socket: Socket) -> bool:
        value = socket.rport if far else socket.lport
        return value is not None and compare(value, port)

    return test


def _address_test(far: bool, text: str) -> Test:
    host, port = text, ""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    number = _port(port) if port not in ("", "*") else None
    try:
        network = ip_network(host, strict=False) if host not in ("", "*") else None
    except ValueError as error:
        raise UsageError(f"ss filter: {host!r} is no address") from error

    def test(socket: Socket) -> bool:
        address, own = (socket.raddr, socket.rport) if far else (socket.laddr, socket.lport)
        if number is not None and own != number:
            return False
        if network is None:
            return True
        try:
            return address is not None and ip_address(address) in network
        except ValueError:
            return False

    return test
