"""Source files on this machine: found, mapped, old, new; and never anything that isn't source."""

import os
from pathlib import Path

import pytest

from uniobs.cli.main import main
from uniobs.cli.report.sources import Sources

BUILT = 1_700_000_000.0


def write(path: Path, lines: int = 20, when: float = BUILT - 60) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"line {n}\n" for n in range(1, lines + 1)))
    os.utime(path, (when, when))
    return path


def test_where_the_compiler_saw_it(tmp_path: Path) -> None:
    path = write(tmp_path / "src/main.c")
    found = Sources().around(str(path), 7, BUILT, 2)
    assert found is not None
    assert (found.path, found.first, found.note) == (str(path), 5, None)
    assert found.lines == ("line 5", "line 6", "line 7", "line 8", "line 9")


def test_the_first_line_has_nothing_before_it(tmp_path: Path) -> None:
    found = Sources().around(str(write(tmp_path / "a.rs")), 1, BUILT, 3)
    assert found is not None and (found.first, len(found.lines)) == (1, 4)


@pytest.mark.parametrize("given", [("{here}/tree", "/build/app"), ("{here}/tree", None), ("{here}", None)])
def test_mapped(given: tuple[str, str | None], tmp_path: Path) -> None:
    """By its prefix; or by as much of the end of its name as is there."""
    path = write(tmp_path / "tree/kernel/main.c")
    if given == ("{here}", None):
        path = write(tmp_path / "app/kernel/main.c")
    sources = Sources(((given[0].format(here=tmp_path), given[1]),))
    found = sources.around("/build/app/kernel/main.c", 3, BUILT, 1)
    assert found is not None and found.path == str(path) and "line 3" in found.lines


def test_a_prefix_leads_nowhere_else(tmp_path: Path) -> None:
    write(tmp_path / "secret.c")
    sources = Sources(((str(tmp_path / "tree"), "/build"),))
    for name in ("/build/../secret.c", "/other/secret.c"):
        found = sources.around(name, 1, BUILT, 1)
        assert found is not None and found.path is None and not found.lines
    assert list(sources.missing) == ["/build/../secret.c", "/other/secret.c"]


def test_newer_than_the_image(tmp_path: Path) -> None:
    sources = Sources()
    found = sources.around(str(write(tmp_path / "main.c", when=BUILT + 5)), 2, BUILT, 1)
    assert found is not None and found.note is not None and "after the image was built" in found.note
    assert list(sources.newer) == [str(tmp_path / "main.c")]


def test_a_line_that_it_doesn_t_have(tmp_path: Path) -> None:
    found = Sources().around(str(write(tmp_path / "main.c", 4)), 90, BUILT, 1)
    assert (
        found is not None and not found.lines and found.note is not None and "another version" in found.note
    )


def test_only_source_is_read(tmp_path: Path) -> None:
    """Names are the image's, and a report goes to others: no keys, no devices, no pipes that wait."""
    secret = tmp_path / "id_rsa"
    secret.write_text("secret\n" * 9)
    (tmp_path / "link.c").symlink_to(secret)
    (tmp_path / "binary.c").write_bytes(b"\x7fELF\0\0\0\n" * 9)
    os.mkfifo(tmp_path / "pipe.c")
    (tmp_path / "folder.c").mkdir()
    for name in ("id_rsa", "link.c", "binary.c", "pipe.c", "folder.c", "gone.c"):
        found = Sources().around(str(tmp_path / name), 1, BUILT, 3)
        assert found is not None and found.path is None and not found.lines and found.note, name
    assert Sources().around("/etc/passwd", 1, None, 3) is not None
    assert not Sources().around("/etc/passwd", 1, None, 3).lines
    assert Sources().around(None, 3, BUILT, 1) is None and Sources().around("a.c", None, BUILT, 1) is None


def test_a_folder_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["core", "show", "x.core", "--source-dir", f"{tmp_path}/none=/build"]) == 2
    assert "is no directory" in capsys.readouterr().err
