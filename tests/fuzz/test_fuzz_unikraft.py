"""Unikraft's structures overwritten at random: the walker ends in time, and with nothing but known errors."""

import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest

from support.unikraft_shapes import booted, needs_qemu
from uniobs.errors import UniobsError
from uniobs.memory.base import Range
from uniobs.model.findings import findings
from uniobs.model.guest import Thread
from uniobs.target import open_target

pytestmark = [needs_qemu, pytest.mark.live, pytest.mark.timeout(180)]

ROUNDS = int(os.environ.get("UNIOBS_FUZZ_ROUNDS", "150"))
SECONDS = 20.0  # that one round may take on a busy machine
QUESTIONS = ("threads", "locks", "sockets", "interfaces", "counters", "heap", "panic")
WORDS = (0, 1, 8, 0xFFFF, 0xFFFFFFFF, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 0xDEAD0000BEEF)


class Damaged:
    """A memory some of whose words are others."""

    live = False

    def __init__(self, memory: Any, words: dict[int, int]) -> None:
        self._memory = memory
        self._words = words

    def read(self, address: int, size: int) -> bytes:
        data = bytearray(self._memory.read(address, size))
        for where, word in self._words.items():
            for n, byte in enumerate(word.to_bytes(8, "little")):
                if address <= where + n < address + size:
                    data[where + n - address] = byte
        return bytes(data)

    def ranges(self) -> Sequence[Range]:
        found: Sequence[Range] = self._memory.ranges()
        return found

    def close(self) -> None:
        self._memory.close()


@pytest.fixture(scope="module", params=["deadlock", "crash"])
def core(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, list[str]]]:
    """A core, and its image."""
    with booted(request.param, tmp_path_factory.mktemp("fuzz")) as guest:
        yield str(guest.core()), [str(guest.image)]


def places(target: Any) -> list[int]:
    """Words that mean something: the kernel's variables, its threads, and where they point to."""
    module = target.modules[0]
    found = [
        at
        for name, start, size in module.variables()
        if name not in ("pages",)
        for at in range(start, start + min(size, 1024), 8)
    ]
    for thread in target.walker("threads").threads():
        if thread.saved_sp:
            found += range(thread.saved_sp & ~7, (thread.saved_sp & ~7) + 256, 8)
        if thread.stack_lo:
            found += [thread.stack_lo - 24, thread.stack_lo - 16, thread.stack_lo - 8]
    return found


def ask_everything(target: Any) -> None:
    for question in QUESTIONS:
        with suppress(UniobsError):
            answer = getattr(target.walker(question), question)()
            if isinstance(answer, list):
                assert len(answer) <= 1 << 16
    with suppress(UniobsError):
        for thread in target.walker("threads").threads()[:32]:
            assert isinstance(thread, Thread)
            target.stack(thread)
    with suppress(UniobsError):
        findings(target)
    with suppress(UniobsError):
        target.status(0)


def test_damaged_structures(core: tuple[str, list[str]]) -> None:
    whole = open_target(*core)
    try:
        spots = places(whole)
        for seed in range(ROUNDS):
            rng = random.Random(seed)
            words = {
                rng.choice(spots): rng.choice([*WORDS, rng.choice(spots), rng.getrandbits(64)])
                for _ in range(rng.choice((1, 1, 2, 4, 32)))
            }
            target = open_target(*core)
            try:
                target.memory.close()
                target.memory = Damaged(whole.memory, words)
                begun = time.monotonic()
                ask_everything(target)
                assert time.monotonic() - begun < SECONDS, (seed, words)
            except Exception as error:
                raise AssertionError(f"seed {seed}: {words}") from error
    finally:
        whole.close()
