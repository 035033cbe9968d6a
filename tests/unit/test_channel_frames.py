"""Frames in a stream of any bytes."""

from hypothesis import given
from hypothesis import strategies as st

from uniobs.channel.frames import MAGIC, PAYLOAD_MAX, Decoder, Message, encode
from uniobs.region import _abi

U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    if draw(st.booleans()):
        payload = draw(st.binary(min_size=1, max_size=200) | st.just(MAGIC * 9))
        return Message(_abi.FRAME_DATA, draw(U32), len(payload), draw(U64), draw(U64), payload)
    kind = draw(st.sampled_from((_abi.FRAME_READ, _abi.FRAME_HELLO, _abi.FRAME_REFUSED)))
    return Message(kind, draw(U32), draw(U32), draw(U64), draw(U64))


NOISE = st.binary(max_size=60) | st.just(MAGIC) | st.just(MAGIC[:3]) | st.just(MAGIC + bytes(36))


@given(st.lists(messages() | NOISE, max_size=12), st.integers(1, 300))
def test_every_message_is_found_again(parts: list[Message | bytes], step: int) -> None:
    stream = b"".join(part if isinstance(part, bytes) else encode(part) for part in parts)
    # What is held back behind noise that looks like a frame comes with the bytes that follow.
    last = Message(_abi.FRAME_DATA, 1, 1, 2, 3, b"x")
    stream += bytes(PAYLOAD_MAX) + encode(last)
    decoder = Decoder()
    found = [one for at in range(0, len(stream), step) for one in decoder.feed(stream[at : at + step])]
    assert found == [part for part in parts if isinstance(part, Message)] + [last]
    carried = sum(len(encode(one)) for one in found)
    assert decoder.skipped == len(stream) - carried


@given(messages(), st.data())
def test_a_damaged_message_is_not_taken(message: Message, data: st.DataObject) -> None:
    frame = bytearray(encode(message))
    bit = data.draw(st.integers(0, len(frame) * 8 - 1))
    frame[bit // 8] ^= 1 << bit % 8
    decoder = Decoder()
    assert list(decoder.feed(bytes(frame) + bytes(PAYLOAD_MAX))) == []


def test_a_frame_cut_off_by_another() -> None:
    first = encode(Message(_abi.FRAME_DATA, 7, 100, 0, 0, b"a" * 100))
    second = Message(_abi.FRAME_DATA, 8, 50, 0, 0, b"b" * 50)
    decoder = Decoder()
    assert list(decoder.feed(first[:80] + encode(second) + bytes(200))) == [second]


def test_a_size_beyond_the_limit_waits_for_nothing() -> None:
    huge = encode(Message(_abi.FRAME_DATA, 1, PAYLOAD_MAX + 1, 0, 0, b"y"))
    small = Message(_abi.FRAME_DATA, 9, 1, 0, 0, b"z")
    assert list(Decoder().feed(huge + encode(small))) == [small]
