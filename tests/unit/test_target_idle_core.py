"""A core that nobody has open for writing can't be a live guest's memory: no process is asked about it."""

import mmap
from pathlib import Path

import pytest

from uniobs.target import discovery, open_target
from uniobs.target.open import _idle_core

CORE = b"\x7fELF\2\1\1" + bytes(9) + b"\4\0" + bytes(8192)


def test_writers_count_however_they_write(tmp_path: Path) -> None:
    path = tmp_path / "core"
    path.write_bytes(CORE)
    assert _idle_core(str(path))
    with open(path, "rb"):
        assert _idle_core(str(path))
    with open(path, "r+b") as file:
        assert not _idle_core(str(path))
        mapped = mmap.mmap(file.fileno(), 4096)
    assert not _idle_core(str(path))  # closed, but still mapped
    mapped.close()
    assert _idle_core(str(path))


@pytest.mark.parametrize("head", [b"", b"\x7fELF", bytes(8192), CORE[:16] + b"\2\0"])
def test_what_is_no_core_may_be_ram(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "ram"
    path.write_bytes(head)
    assert not _idle_core(str(path))


def test_a_core_under_a_writer_is_looked_for_among_the_guests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(discovery, "find_guests", lambda: asked.append(True) or [])
    path = tmp_path / "core"
    path.write_bytes(CORE)
    for writing in (False, True):
        with open(path, "r+b" if writing else "rb"), pytest.raises(Exception, match="core"):
            open_target(str(path))
        assert bool(asked) is writing
