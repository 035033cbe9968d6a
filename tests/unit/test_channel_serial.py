"""The channel's host side against peers that answer, are slow, or lie."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.bare_guest import REGION, region_blob
from uniobs.channel.frames import Decoder, Message, encode
from uniobs.channel.serial import SerialMemory
from uniobs.errors import BadFormat, NoSuchTarget, TargetError, TargetGone, UnknownMemory, UsageError
from uniobs.region import _abi
from uniobs.target import open_target

SIZE = len(region_blob())
BLOB = region_blob() + bytes(range(256)) * 1024  # the region, and memory behind it
Answer = Callable[[Message], bytes]


def truth(asked: Message) -> bytes:
    """What the guest's side does."""
    if asked.type == _abi.FRAME_HELLO:
        return encode(Message(_abi.FRAME_DATA, asked.id, 4096, REGION, 5, BLOB[:4096]))
    at = asked.address - REGION
    if at < 0 or at + asked.size > len(BLOB) or not 0 < asked.size <= 65536:
        return encode(Message(_abi.FRAME_REFUSED, asked.id, 0, asked.address, 5))
    return encode(
        Message(_abi.FRAME_DATA, asked.id, asked.size, asked.address, 5, BLOB[at : at + asked.size])
    )


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Callable[[Answer], str]]:
    """Serves one client on a socket with the function it's given; the socket's path."""
    threads: list[threading.Thread] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.settimeout(10)
    path = str(tmp_path / "channel.sock")
    listener.bind(path)
    listener.listen(1)

    def serve(answer: Answer) -> None:
        decoder = Decoder()
        try:
            client = listener.accept()[0]
        except OSError:
            return
        with client:
            client.settimeout(10)
            while data := _received(client):
                for message in decoder.feed(data):
                    reply = answer(message)
                    if reply == b"":
                        continue
                    try:
                        client.sendall(reply)
                    except OSError:
                        return

    def start(answer: Answer) -> str:
        threads.append(threading.Thread(target=serve, args=(answer,)))
        threads[-1].start()
        return path

    yield start
    listener.close()
    for thread in threads:
        thread.join(10)


def _received(client: socket.socket) -> bytes:
    try:
        return client.recv(65536)
    except OSError:
        return b""


def test_reads_are_what_the_guest_holds(peer: Callable[[Answer], str]) -> None:
    memory = SerialMemory(peer(truth))
    assert memory.region == (REGION, SIZE)
    assert memory.read(REGION, SIZE) == BLOB[:SIZE]
    before = memory.round_trips
    assert memory.read(REGION + SIZE + 5, 200_000) == BLOB[SIZE + 5 :][:200_000]
    assert memory.round_trips == before + 4
    assert memory.read(REGION + SIZE + 1000, 1000) == BLOB[SIZE + 1000 :][:1000]
    assert memory.round_trips == before + 4  # mirrored
    assert memory.read(REGION + 10, 6) == BLOB[10:16]
    assert memory.round_trips == before + 5  # the region is always asked for
    memory.refresh()
    assert memory.read(REGION + SIZE + 1000, 1) == BLOB[SIZE + 1000 :][:1]
    assert memory.round_trips == before + 6
    with pytest.raises(UnknownMemory, match="refuses"):
        memory.read(0x1000, 8)
    memory.close()
    with pytest.raises(TargetGone):
        memory.read(REGION, 1)


def test_a_target_over_it(peer: Callable[[Answer], str]) -> None:
    target = open_target("serial://" + peer(truth), name="far")
    assert (target.name, target.kind, target.live) == ("far", "serial", True)
    assert target.region is not None
    assert target.region.kernel == "bare"
    assert target.status().state == "live"
    target.close()


def test_what_is_damaged_is_asked_for_again(peer: Callable[[Answer], str]) -> None:
    seen: set[int] = set()

    def damaged(asked: Message) -> bytes:
        reply = bytearray(truth(asked))
        if asked.address not in seen:  # the first answer to each read
            seen.add(asked.address)
            reply[len(reply) // 2] ^= 4
        return b"noise" + bytes(reply)

    memory = SerialMemory(peer(damaged), timeout=1.5)
    assert memory.read(REGION + SIZE, 100_000) == BLOB[SIZE:][:100_000]
    memory.close()


LIES: dict[str, Answer] = {
    "silence": lambda asked: b"",
    "noise": lambda asked: b"UOBF" * 100,
    "another id": lambda asked: truth(asked._replace(id=asked.id ^ 1)),
    "too short": lambda asked: encode(Message(_abi.FRAME_DATA, asked.id, 1, asked.address, 5, b"x")),
    "too long": lambda asked: encode(
        Message(_abi.FRAME_DATA, asked.id, 60000, asked.address, 5, b"x" * 60000)
    ),
    "a question": lambda asked: encode(asked),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_peer_that_is_no_guest(peer: Callable[[Answer], str], lie: str) -> None:
    with pytest.raises(TargetError, match="doesn't answer on its channel"):
        SerialMemory(peer(LIES[lie]), timeout=0.3)


@pytest.mark.parametrize("lie", LIES)
def test_a_guest_that_begins_to_lie(peer: Callable[[Answer], str], lie: str) -> None:
    memory = SerialMemory(
        peer(lambda asked: truth(asked) if asked.type == _abi.FRAME_HELLO else LIES[lie](asked)), timeout=0.3
    )
    with pytest.raises(TargetError):
        memory.read(REGION, 100)
    memory.close()


def test_another_address_than_was_asked_for(peer: Callable[[Answer], str]) -> None:
    def elsewhere(asked: Message) -> bytes:
        if asked.type == _abi.FRAME_HELLO:
            return truth(asked)
        return encode(Message(_abi.FRAME_DATA, asked.id, asked.size, asked.address + 8, 5, b"x" * asked.size))

    memory = SerialMemory(peer(elsewhere), timeout=0.3)
    with pytest.raises(TargetError):
        memory.read(REGION, 100)
    memory.close()


def test_a_greeting_without_a_region(peer: Callable[[Answer], str]) -> None:
    with pytest.raises(BadFormat, match="holds no region"):
        SerialMemory(
            peer(lambda asked: encode(Message(_abi.FRAME_DATA, asked.id, 4096, REGION, 5, b"x" * 4096))),
            timeout=1,
        )


def test_paths_that_are_no_channel(tmp_path: Path) -> None:
    with pytest.raises(NoSuchTarget, match="no such socket"):
        open_target(f"serial://{tmp_path}/none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(TargetError):
        open_target(f"serial://{tmp_path}/file")
    with pytest.raises(TargetError):
        open_target("serial://")
    gone = socket.socket(socket.AF_UNIX)
    gone.bind(str(tmp_path / "gone"))
    gone.close()
    with pytest.raises(TargetError, match="nobody listens"):
        open_target(f"serial://{tmp_path}/gone")
    with pytest.raises(UsageError, match="serial://"):
        open_target(str(tmp_path / "gone"))


def test_a_path_longer_than_a_socket_address(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    listener = socket.socket(socket.AF_UNIX)
    fd = os.open(deep, os.O_PATH)
    listener.bind(f"/proc/self/fd/{fd}/s")
    os.close(fd)
    listener.listen(1)
    with pytest.raises(TargetError, match="doesn't answer"):
        SerialMemory(str(deep / "s"), timeout=0.2)
    listener.close()
