"""The reference guest as a server: HTTP, its socket rows and its channel, on both machines."""

import http.client
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import IPv4Address

import pytest

from boot import Guest, free_port
from tests.support.bare_guest import needs_qemu
from tests.support.qemu import MACHINES, RawRegion, booted, dumped
from uniobs.channel.frames import Message as Frame
from uniobs.channel.frames import encode
from uniobs.channel.serial import SerialMemory
from uniobs.errors import UniobsError
from uniobs.model.guest import Arg
from uniobs.region import _abi
from uniobs.region.follow import TraceFollow
from uniobs.region.reader import Region

pytestmark = [pytest.mark.live, pytest.mark.timeout(120), needs_qemu]

CLIENTS = 8
ROUNDS = 42  # of PUT, GET, DELETE by each client: 1008 requests


@pytest.fixture(scope="module", params=MACHINES)
def guest(request: pytest.FixtureRequest) -> Iterator[Guest]:
    with booted(request.param) as running:
        running.wait_ready()
        yield running


def ask(guest: Guest, data: bytes) -> list[str]:
    """Send bytes, say no more, read to the end: the status of each answer."""
    with socket.create_connection(("127.0.0.1", guest.port), timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while received := connection.recv(65536):
            answer += received
    return re.findall(r"HTTP/1\.1 (\d+) ", answer.decode("latin-1"))


def stopped(guest: Guest) -> RawRegion:
    guest.qmp("stop")
    try:
        return RawRegion(guest)
    finally:
        guest.qmp("cont")


def text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode()


def string(region: RawRegion, offset: int) -> str:
    section = region.sections[_abi.SECTION_STRINGS]
    return text(region.data[section.offset + offset :][:256])


def counters(region: RawRegion) -> dict[str, int]:
    section = region.sections[_abi.SECTION_COUNTERS]
    rows = _abi.COUNTER.iter_unpack(region.data[section.offset :][: section.entry_count * section.entry_size])
    known = (_abi.Counter(*row) for row in rows)
    return {string(region, row.name): row.value for row in known if row.kind != _abi.COUNTER_KIND_FREE}


def sockets(region: RawRegion) -> list[_abi.Socket]:
    section = region.sections[_abi.SECTION_SOCKETS]
    rows = _abi.SOCKET.iter_unpack(region.data[section.offset :][: section.entry_count * section.entry_size])
    return [row for row in (_abi.Socket(*words) for words in rows) if row.kind != _abi.FD_KIND_FREE]


def test_store(guest: Guest) -> None:
    assert guest.http("GET", "/kv/one") == (404, b"Not Found\n")
    assert guest.http("PUT", "/kv/one", b"first")[0] == 201
    assert guest.http("PUT", "/kv/one", b"2nd")[0] == 200
    assert guest.http("GET", "/kv/one") == (200, b"2nd")
    large = bytes(range(256)) * 256
    assert guest.http("PUT", "/kv/user%3A42", large)[0] == 201
    assert guest.http("GET", "/kv/user:42") == (200, large)
    assert guest.http("PUT", "/kv/one", large + b"x")[0] == 413
    assert guest.http("DELETE", "/kv/one")[0] == 200
    assert guest.http("DELETE", "/kv/one")[0] == 404
    assert guest.http("DELETE", "/kv/user:42")[0] == 200


LONG = b"a" * 5000
BAD: dict[str, tuple[bytes, list[str]]] = {
    "nothing": (b"\r\n\r\n", ["400"]),
    "no target": (b"GET\r\n\r\n", ["400"]),
    "no version": (b"GET /\r\n\r\n", ["400"]),
    "version": (b"GET / HTTP/2.0\r\n\r\n", ["505"]),
    "method": (b"BREW /kv/a HTTP/1.1\r\n\r\n", ["405"]),
    "long target": (b"GET /" + LONG[:300] + b" HTTP/1.1\r\n\r\n", ["414"]),
    "long head": (b"GET / HTTP/1.1\r\nA: " + LONG + b"\r\n\r\n", ["431"]),
    "NUL": (b"GET /\0 HTTP/1.1\r\n\r\n", ["400"]),
    "no colon": (b"GET / HTTP/1.1\r\nword\r\n\r\n", ["400"]),
    "no key": (b"GET /kv/ HTTP/1.1\r\n\r\n", ["400"]),
    "key with slash": (b"GET /kv/a%2Fb HTTP/1.1\r\n\r\n", ["400"]),
    "broken escape": (b"GET /kv/%z HTTP/1.1\r\n\r\n", ["400"]),
    "negative length": (b"PUT /kv/a HTTP/1.1\r\nContent-Length: -1\r\n\r\n", ["400"]),
    "huge length": (b"PUT /kv/a HTTP/1.1\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n", ["413"]),
    "two lengths": (b"PUT /kv/a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", ["400"]),
    "chunks": (b"PUT /kv/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ["501"]),
    "short body": (b"PUT /kv/a HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", ["400"]),
    "unfinished": (b"GET / HTTP/1.1\r\n", []),
    "unknown break": (b"GET /break/everything HTTP/1.1\r\n\r\n", ["404"]),
    "no time to park": (b"GET /park HTTP/1.1\r\n\r\n", ["400"]),
    "pipelined": (b"GET / HTTP/1.1\r\n\r\nGET /kv/none HTTP/1.1\r\n\r\n", ["200", "404"]),
    "close": (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n\r\n", ["200"]),
}


@pytest.mark.parametrize("name", BAD)
def test_odd_requests(guest: Guest, name: str) -> None:
    data, statuses = BAD[name]
    assert ask(guest, data) == statuses
    assert guest.http("GET", "/")[0] == 200


def connected(guest: Guest) -> http.client.HTTPConnection:
    """A connection that the guest has answered one request on.

    QEMU's forwarder listens with a backlog of 1: of clients that come at once the host's kernel may
    reset one, of which the guest hears nothing.
    """
    for _ in range(20):
        connection = http.client.HTTPConnection("127.0.0.1", guest.port, timeout=60)
        try:
            connection.request("GET", "/kv/none")
            connection.getresponse().read()
        except ConnectionResetError:
            connection.close()
        else:
            return connection
    raise ConnectionResetError("20 times")


def client(guest: Guest, number: int, wrong: list[str]) -> None:
    """PUT, GET and DELETE in turns over one kept connection."""
    connection = connected(guest)
    try:
        for turn in range(ROUNDS):
            path = f"/kv/load-{number}-{turn % 5}"
            body = f"{number}.{turn} ".encode() * (1 + turn * 97 % 1500)
            for method, sent, expected in (("PUT", body, 201), ("GET", None, 200), ("DELETE", None, 200)):
                connection.request(method, path, sent)
                answer = connection.getresponse()
                received = answer.read()
                if answer.status != expected or (method == "GET" and received != body):
                    wrong.append(f"{method} {path}: {answer.status}, {len(received)} bytes")
    except (OSError, http.client.HTTPException) as error:
        wrong.append(f"client {number}: {error!r}")
    finally:
        connection.close()


def test_many_clients_leave_nothing_behind(guest: Guest) -> None:
    assert guest.http("GET", "/")[0] == 200
    before = stopped(guest)
    wrong: list[str] = []
    threads = [threading.Thread(target=client, args=(guest, i, wrong)) for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert guest.http("GET", "/")[0] == 200
    after = stopped(guest)
    served = counters(after)["http_requests_total"] - counters(before)["http_requests_total"]
    assert served == CLIENTS * (ROUNDS * 3 + 1) + 1
    # a connection that is just ending may still hold a buffer or two
    assert abs(after.heap().used - before.heap().used) < 16384
    assert after.heap().failures == 0
    for table in ("socket", "lock", "thread", "string"):
        assert getattr(after.live, f"{table}_overflow") == 0, table


def rows_when(guest: Guest, holds: Callable[[list[_abi.Socket]], bool]) -> list[_abi.Socket]:
    """The socket rows at a moment when they are like this."""
    while True:
        rows = sockets(stopped(guest))
        if holds(rows):
            return rows
        assert guest.process.poll() is None
        time.sleep(0.02)


def served(rows: list[_abi.Socket]) -> list[_abi.Socket]:
    return [row for row in rows if row.state == _abi.TCP_ESTABLISHED]


def are_served(count: int, rows: list[_abi.Socket]) -> bool:
    return len(served(rows)) == count


def test_backlog(guest: Guest) -> None:
    """Four workers, six clients: two wait, without a descriptor, and the listener says so."""
    rows_when(guest, lambda rows: not served(rows))
    clients = []
    try:
        for count in range(1, 7):
            clients.append(socket.create_connection(("127.0.0.1", guest.port), timeout=30))
            rows_when(guest, partial(are_served, count))
        rows = rows_when(guest, lambda rows: sum(row.fd >= 3 for row in served(rows)) == 4)
        (listener,) = (row for row in rows if row.state == _abi.TCP_LISTEN)
        assert (listener.lport, listener.backlog, listener.backlog_max) == (80, 2, 16)
        assert len({row.owner_tid for row in served(rows) if row.fd >= 3}) == 4
    finally:
        for connection in clients:
            connection.close()
    guest.wait_ready()


def test_udp_echo(guest: Guest) -> None:
    port = free_port()
    guest.qmp("human-monitor-command", **{"command-line": f"hostfwd_add udp:127.0.0.1:{port}-:7"})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(30)
        for size in (1, 1000, 1472):
            client.sendto(b"x" * size, ("127.0.0.1", port))
            assert client.recv(2000) == b"x" * size
    for _ in range(100):  # the client may have its answer before the guest has counted it
        (row,) = (row for row in sockets(stopped(guest)) if row.kind == _abi.FD_KIND_UDP)
        if row.tx_bytes == 2473:
            break
    assert (row.lport, row.state, row.rx_bytes, row.tx_bytes) == (7, _abi.TCP_CLOSE, 2473, 2473)
    assert (row.recvq, row.sendq) == (0, 0)


SOCKET_KEYS = (
    "lport rport fd owner_tid backlog backlog_max recvq sendq rx_bytes tx_bytes opened retransmits "
    "cwnd rtt_us mss"
).split()
IFACE_KEYS = (
    "prefix rx_packets rx_bytes rx_dropped rx_errors tx_packets tx_bytes tx_dropped tx_errors mtu index"
).split()


def parked(guest: Guest) -> dict[str, list[dict[str, str]]]:
    """Have it print its tables and stand still for some seconds; the tables."""
    ends = guest.console.count("@dump end\n")
    guest.poke("/park?ms=2000")
    while guest.console.count("@dump end\n") == ends:
        assert guest.process.poll() is None
        time.sleep(0.02)
    return dumped(guest.console)


def test_rows_are_what_the_guest_prints(guest: Guest) -> None:
    """Of a parked guest with connections in several states: sockets, counters, the interface."""
    idle = [socket.create_connection(("127.0.0.1", guest.port), timeout=30) for _ in range(2)]
    try:
        idle[0].sendall(b"GET / HT")
        said, region = parked(guest), RawRegion(guest)
    finally:
        for connection in idle:
            connection.close()
    rows = {row.id: row for row in sockets(region)}
    assert {int(row["id"], 0) for row in said["socket"]} == set(rows)
    for mine in said["socket"]:
        row = rows[int(mine["id"], 0)]
        assert getattr(_abi, f"TCP_{mine['state']}") == row.state
        assert (mine["laddr"], mine["raddr"]) == (
            str(IPv4Address(row.laddr[:4])),
            str(IPv4Address(row.raddr[:4])),
        )
        for key in SOCKET_KEYS:
            assert int(mine[key]) == getattr(row, key), (key, mine)
    established = [row for row in rows.values() if row.state == _abi.TCP_ESTABLISHED]
    assert sorted(row.rx_bytes for row in established) == [0, 8]
    assert all(row.fd >= 3 and row.owner_tid for row in established)
    shown = counters(region)
    for line in said["counter"]:
        assert int(line["value"]) == shown[line["name"]], line["name"]
    section = region.sections[_abi.SECTION_IFACES]
    iface = _abi.Iface(*_abi.IFACE.unpack_from(region.data, section.offset))
    (printed,) = said["iface"]
    assert text(iface.name) == printed["name"]
    assert iface.mac.hex(":") == printed["mac"]
    for key in IFACE_KEYS:
        assert int(printed[key]) == getattr(iface, key), key
    guest.wait_ready()


def as_printed(arg: Arg, values: dict[str, str]) -> None:
    """One argument of an event is what the guest's own record of the call says."""
    assert arg.name is not None
    said = values[arg.name]
    if isinstance(arg.value, bytes):
        assert (arg.value.hex(), arg.length) == (said, int(values[f"{arg.name}.length"]))
    elif arg.kind == "sockaddr":
        address = IPv4Address(arg.value.to_bytes(8, "little")[:4])
        assert f"{address}:{arg.value >> 32 & 0xFFFF}" == said
    else:
        assert arg.value == int(said), arg


def test_calls_are_what_the_guest_prints(guest: Guest) -> None:
    """The trace ring, read over the channel, holds each system call that the guest remembers."""
    assert guest.http("PUT", "/kv/traced", b"\x00\xff" * 30)[0] == 201
    assert guest.http("GET", "/kv/traced")[0] == 200
    assert guest.http("DELETE", "/kv/traced")[0] == 200
    assert guest.http("DELETE", "/kv/traced")[0] == 404
    # a client that says nothing: the guest's recv() times out, which is an event without its output
    with socket.create_connection(("127.0.0.1", guest.port), timeout=30) as silent:
        assert silent.recv(1) == b""
    said = parked(guest)["call"]
    memory = SerialMemory(str(guest.channel))
    try:
        follow = TraceFollow(Region(memory, memory.region.start))
        events = {(e.tid, e.phase, e.time_tsc): e for e in [*follow.poll(), *follow.flush()]}
        assert (follow.loss.torn, follow.loss.garbled) == (0, 0)
    finally:
        memory.close()
    assert {"accept", "recv", "close", "nanosleep"} <= {call["name"] for call in said}
    assert any(call["ret"] == "-11" for call in said if call["name"] == "recv" and "ret" in call)
    oldest = min(event.time_tsc for event in events.values())  # earlier ones were overwritten
    for call in said:
        halves = []
        if int(call["enter"]) >= oldest:
            halves.append(events[int(call["tid"]), "enter", int(call["enter"])])
        if "exit" in call:
            halves.append(events[int(call["tid"]), "exit", int(call["exit"])])
        for half in halves:
            assert half.name == call["name"]
            for arg in half.args:
                as_printed(arg, {**call, "entered": call["enter"]})
    guest.wait_ready()


def test_channel_gives_memory_and_nothing_else(guest: Guest) -> None:
    said = parked(guest)
    assert said["kernel"]
    with socket.socket(socket.AF_UNIX) as rude:
        rude.settimeout(10)
        rude.connect(str(guest.channel))
        rude.sendall(bytes(range(256)) * 40 + b"UOBF" * 99)
        rude.sendall(encode(Frame(_abi.FRAME_READ, 1, 16, 0x200000, 0))[:-3])
    memory = SerialMemory(str(guest.channel))
    try:
        region = RawRegion(guest)
        assert memory.region.start == region.header.self_pa
        assert memory.read(memory.region.start, region.header.size) == region.data
        for address, size in (
            (0, 16),
            (64 << 20, 16),
            ((64 << 20) - 8, 16),
            (1 << 40, 16),
            ((1 << 64) - 16, 16),
        ):
            with pytest.raises(UniobsError):
                memory.read(address, size)
        assert memory.read(memory.region.start, 16) == _abi.MAGIC
    finally:
        memory.close()
    guest.wait_ready()
