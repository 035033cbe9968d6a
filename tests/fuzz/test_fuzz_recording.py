"""Recordings of ill will: sealed again after each change, so that only their contents are wrong."""

import json
import os
import random
import resource
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import zstandard

from support import screens
from support.cli import UNIOBS
from uniobs.cores import recording as format
from uniobs.cores.recording import RecordingFile
from uniobs.errors import UniobsError
from uniobs.model import registry
from uniobs.target.recorded import RecordedGuest, recorded

S = screens.S
START = screens.STARTED
MEMORY = 1 << 30  # of address space, for all of a command
SECONDS = 15.0
Rec = tuple[int, int, int, bytes]  # type, size, address, data
Chunk = tuple[int, int, int, list[Rec]]  # kind, first, last, records

GUEST = {"name": "x", "kind": "vm", "vmm": "q", "region": 0x200000, "identity": False, "modules": []}


def note(told: object) -> Rec:
    data = json.dumps(told).encode()
    return format.NOTE, len(data), 0, data


def put(address: int, data: bytes) -> Rec:
    return format.BYTES, len(data), address, data


def at(when: int) -> Rec:
    return format.MOMENT, 0, when, b""


def sealed(chunks: Sequence[Chunk], level: int = 1) -> bytes:
    """A file of these, all of its sums right."""
    out, key = bytearray(format.start_bytes()), 0
    compress = zstandard.ZstdCompressor(level=level, write_content_size=True)
    for kind, first, last, rows in chunks:
        records = b"".join(format.RECORD.pack(t, size, address) + data for t, size, address, data in rows)
        if kind == format.KEY:
            key = len(out)
        own = 0 if kind == format.BASE else key
        out += format.chunk_bytes(kind, first, last, own, records, compress.compress(records))
    return bytes(out)


def base(**changes: object) -> Chunk:
    return format.BASE, START, START, [note({"guest": GUEST | changes})]


def key(*rows: Rec, first: int = START, last: int | None = None) -> Chunk:
    return format.KEY, first, first if last is None else last, [at(first), *rows]


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    begun = time.monotonic()
    done = subprocess.run(
        [UNIOBS, *words, str(path)],
        capture_output=True,
        text=True,
        timeout=SECONDS + 4,
        preexec_fn=limited,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert time.monotonic() - begun < SECONDS
    assert "Traceback" not in done.stderr and "bug in uniobs" not in done.stderr, done.stderr[-3000:]
    assert "MemoryError" not in done.stderr, done.stderr[-3000:]
    return done


WIDE = 1 << 63
MANY = 900_000  # records in a chunk


def many_pages() -> list[Chunk]:
    return [base(), key(*(put(page * 4096, b"x") for page in range(MANY)))]


def many_chunks_of_pages() -> list[Chunk]:
    rows = [[put((n << 40) + page * 4096, b"x") for page in range(20_000)] for n in range(12)]
    return [base(), key(), *((format.DELTA, START, START, [at(START), *row]) for row in rows)]


def forgotten(size: int) -> list[Chunk]:
    rows = [put(page * 8192, b"x") for page in range(5000)]
    rows += [(format.FORGET, size, number * 3, b"") for number in range(MANY // 2)]
    return [base(), key(*rows)]


def in_crumbs() -> list[Chunk]:
    """Every second byte of a page is known, then forgotten, again and again."""
    rows = [put(0x5000 + offset, b"x") for offset in range(0, 4096, 2)]
    rows += [(format.FORGET, 1, 0x5000 + n % 4096, b"") for n in range(0, 400_000, 3)]
    rows += [put(0x5000 + n % 4096, b"x") for n in range(0, 400_000, 7)]
    return [base(), key(*rows)]


def moments() -> list[Chunk]:
    return [base(), *(key(*(at(START) for _ in range(MANY))) for _ in range(3))]


def bomb() -> list[Chunk]:
    zeros = put(0x200000, bytes(60 << 20))
    return [base(), key(), *((format.DELTA, START, START, [at(START), zeros]) for _ in range(30))]


def base_bomb() -> list[Chunk]:
    zeros = [put(0x1000_0000, bytes(60 << 20))]
    return [base(), *((format.BASE, START, START, zeros) for _ in range(60)), key()]


def notes() -> list[Chunk]:
    rows = [note({f"k{n}": {str(i): {} for i in range(20_000)}}) for n in range(100)]
    return [base(), key(*rows)]


HOSTILE: dict[str, Callable[[], list[Chunk]]] = {
    "pages": many_pages,
    "pages in many chunks": many_chunks_of_pages,
    "forget 4 GiB": lambda: forgotten((1 << 32) - 1),
    "forget a byte": lambda: forgotten(1),
    "crumbs": in_crumbs,
    "moments": moments,
    "bomb": bomb,
    "bomb in what lasts": base_bomb,
    "notes": notes,
    "a note of garbage": lambda: [base(), key((format.NOTE, 4, 0, b"\xff{]\0"))],
    "a deep note": lambda: [base(), key((format.NOTE, 200_000, 0, b"[" * 200_000))],
    "a huge number": lambda: [base(), key((format.NOTE, 100_006, 0, b'{"a":' + b"9" * 100_000 + b"}"))],
    "backwards": lambda: [base(), key(at(START + 5), at(START), last=START + 9)],
    "a moment elsewhere": lambda: [base(), key(at(START + 5 * S))],
    "the end of time": lambda: [base(), key(first=(1 << 64) - 1)],
    "the end of years": lambda: [base(), key(first=WIDE - 1)],
    "before time": lambda: [base(), key(first=0)],
    "the end of memory": lambda: [base(region=(1 << 64) - 64), key(put((1 << 64) - 8, b"12345678"))],
    "beyond memory": lambda: [base(), key(put((1 << 64) - 8, b"123456789"))],
    "no guest": lambda: [(format.BASE, START, START, [note({"guest": 5})]), key()],
    "nothing": lambda: [base()],
    "no moment": lambda: [base(), (format.KEY, START, START, [put(1, b"x")])],
    "odd guest": lambda: [
        base(name=[1], vmm={}, region="x", identity="yes", modules=7, registers=[[]]),
        key(),
    ],
    "odd region": lambda: [base(region=-5), key(note({"region": {"address": 1 << 70}}))],
    "odd stands": lambda: [
        base(identity=True),
        key(note({"stands": {"1": [1 << 70, -1], "x": 2}, "clock": "z"})),
    ],
    "odd registers": lambda: [base(), key(note({"registers": {"when": START, "rows": [{"cpu": "x"}, 5]}}))],
    "odd clock": lambda: [base(), key(note({"clock": 1 << 80, "end": ["x"], "modules": {"a": 1}}))],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_bounded_and_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "r.uniobs"
    path.write_bytes(sealed(HOSTILE[name]()))
    done = run(path, "ps")
    assert done.returncode in (3, 4, 5), (done.returncode, done.stdout[-500:], done.stderr[-500:])
    lines = done.stderr.splitlines()
    assert 1 <= len(lines) <= 4 and all(len(line) < 1000 for line in lines), done.stderr[-3000:]


def test_images_that_are_no_files(tmp_path: Path) -> None:
    """What a recording names as its guest's images is opened only when it is a regular file."""
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as file:
        file.write(b"\x7fELF\x02\x01\x01" + bytes(57))
        file.truncate(1 << 42)
    names = [tmp_path / "pipe", "/dev/zero", "/dev/tty", "/proc/kcore", "/proc/self/mem", tmp_path, "", "\0",
             tmp_path / "huge", "\x1b[2J\n", "x" * 5000, "/proc/self/fd/0"]  # fmt: skip
    rows = [
        {"path": str(name), "debug": str(name), "bias": bias, "build_id": "00" * 20, "text_sha": None}
        for name in names
        for bias in (0, -1, 1 << 64)
    ]
    path = tmp_path / "r.uniobs"
    path.write_bytes(sealed([base(modules=rows * 40), key()]))
    for command in ("bt", "ps"):
        done = run(path, command)
        assert done.returncode in (3, 4, 5), done
        assert "\x1b" not in done.stderr


# --- a real one, changed ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> list[Chunk]:
    path = screens.recorded_shop(tmp_path_factory.mktemp("fuzz") / "shop.uniobs")
    file = RecordingFile(os.open(path, os.O_RDONLY), str(path))
    chunks = sorted([*file.base, *file.chunks], key=lambda chunk: chunk.offset)
    found = [
        (one.kind, one.first, one.last, [(r.type, r.size, r.address, r.data) for r in file.records(one)])
        for one in chunks
    ]
    file.close()
    return found


def one_line(error: UniobsError) -> bool:
    assert "\n" not in str(error), error
    return True


def changed(rng: random.Random, chunks: list[Chunk]) -> list[Chunk]:
    """A few of its records other than they were."""
    found = [(kind, first, last, list(rows)) for kind, first, last, rows in chunks]
    for _ in range(rng.randrange(1, 5)):
        _, first, last, rows = rng.choice(found)
        if not rows:
            continue
        place = rng.randrange(len(rows))
        type_, size, address, data = rows[place]
        odd = rng.choice([0, 1, 63, 4096, 1 << 31, (1 << 32) - 1])
        where = rng.choice([0, 1, 0x200000, address ^ (1 << rng.randrange(64)), (1 << 64) - 1])
        rows[place] = rng.choice(
            [
                (type_, size, where, data),
                (type_, odd, address, data),
                (rng.randrange(256), size, address, data),
                (format.FORGET, odd, where, b""),
                (format.BYTES, 64, where, rng.randbytes(64)),
                put(address, bytes(b ^ (rng.randrange(256) if rng.random() < 0.02 else 0) for b in data)),
                at(rng.choice([0, first, last, START + rng.randrange(60) * S, 1 << 63])),
                note(rng.choice([{}, {"guest": {}}, {"guest": None}, {"end": 5}, {"registers": [1]},
                                 {"region": {"address": where}}, {"modules": [{"path": 5}]}])),
            ]
        )
        if rng.random() < 0.2:
            del rows[place]
        if rng.random() < 0.1:
            found.append(found.pop(rng.randrange(len(found))))
    return found


def looked_at(guest: RecordedGuest) -> Iterator[object]:
    for view in ("ps", "netstat", "counters", "top"):
        yield from registry.load(registry.VIEWS, view).rows(guest).rows
    yield guest.status(watch=0)
    for question in ("log", "trace", "packets"):
        follow = getattr(guest.walker(question), question)()
        yield follow.poll()
    for thread in guest.walker("threads").threads()[:3]:
        yield guest.stack(thread)


def test_a_real_one_with_other_records(real: list[Chunk], tmp_path: Path) -> None:
    rng = random.Random(20261120)
    path, refused, shown = tmp_path / "r.uniobs", 0, 0
    for _ in range(250):
        path.write_bytes(sealed(changed(rng, real)))
        begun = time.process_time()
        try:
            guest = recorded(str(path))
        except UniobsError as error:
            refused += one_line(error)
            continue
        try:
            for moment in (START, START + 12 * S, START + 19 * S):
                try:
                    assert isinstance(guest, RecordedGuest)
                    guest.seek(moment)
                    shown += sum(1 for _ in looked_at(guest))
                except UniobsError as error:
                    refused += one_line(error)
        finally:
            guest.close()
        assert time.process_time() - begun < SECONDS
    assert refused > 50 and shown > 1000


def test_cut_and_flipped(real: list[Chunk], tmp_path: Path) -> None:
    """Cuts and flips of the file itself: an error of one line, or what was recorded."""
    whole = sealed(real)
    rng = random.Random(7)
    path = tmp_path / "r.uniobs"
    for _ in range(150):
        data = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.5 else whole)
        for _ in range(rng.randrange(3)):
            if data:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        try:
            guest = recorded(str(path))
            guest.close()
        except UniobsError as error:
            one_line(error)
