"""ss's filter language."""

import pytest

from uniobs.errors import UsageError
from uniobs.model.guest import Socket
from uniobs_probes.views.ss_filter import parse

WEB = Socket(1, "tcp", "ESTAB", laddr="10.0.2.15", lport=80, raddr="10.0.2.2", rport=51544)
OUT = Socket(2, "tcp", "ESTAB", laddr="10.0.2.15", lport=40000, raddr="192.168.7.9", rport=443)
BARE = Socket(3, "tcp", None)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("sport = :80", [WEB]),
        ("sport = :http", [WEB]),
        ("sport eq 80", [WEB]),
        ("sport=:80", [WEB]),
        ("sport != :80", [OUT]),
        ("dport > :1024", [WEB]),
        ("dport <= :443 and sport >= :40000", [OUT]),
        ("dport = :443 or sport = :80", [WEB, OUT]),
        ("dport = :443 sport = :80", []),
        ("not sport = :80", [OUT, BARE]),
        ("! ( sport = :80 or dport = :443 )", [BARE]),
        ("sport = :80 && dport = :51544 || dport = :443", [WEB, OUT]),
        ("dst 10.0.2.2", [WEB]),
        ("dst 10.0.2.0/24", [WEB]),
        ("dst 192.168.7.9:443", [OUT]),
        ("dst = 10.0.2.2:443", []),
        ("src 10.0.2.15:80", [WEB]),
        ("dst :443", [OUT]),
        ("", [WEB, OUT, BARE]),
    ],
)
def test_expressions(text: str, kept: list[Socket]) -> None:
    states, test = parse(text.split())
    assert states is None
    assert [socket for socket in (WEB, OUT, BARE) if test(socket)] == kept


def test_states() -> None:
    states, test = parse(["state", "established", "sport", "=", ":80"])
    assert states == {"ESTAB"}
    assert test(WEB)
    assert not test(OUT)
    assert parse(["state", "listening", "state", "time-wait"])[0] == {"LISTEN", "TIME-WAIT"}
    assert "LISTEN" not in (parse(["exclude", "listening"])[0] or ())
    assert "SYN-SENT" not in (parse(["state", "synchronized"])[0] or ())


@pytest.mark.parametrize(
    "text",
    [
        "state", "state happy", "sport", "sport =", "sport = :nosuchport", "sport = :99999", "dst > 10.0.0.1",
        "dst 10.0.0.300", "( sport = :80", "sport = :80 )", "and", "color = red", "sport = :80 or",
        "( " * 600,
    ],
)  # fmt: skip
def test_mistakes_are_usage_errors(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text.split())
