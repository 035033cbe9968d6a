"""The documentation is what the commands are, and every link in it leads somewhere."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from docs.tools import generate
from uniobs.cli.definitions import Definition, definitions, exits

ROOT = Path(__file__).resolve().parents[2]
TEXTS = sorted(
    path
    for folder in (ROOT, ROOT / "docs", ROOT / "guest-stubs")
    for path in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md"))
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:docs|tests|guest-stubs|uniobs|probes|tui)/[\w./-]+)`")


def test_generated_files_are_those_of_the_definitions() -> None:
    made = generate.files()
    stale = [str(path) for path, text in made.items() if not _is(generate.DOCS / path, text)]
    assert not stale, f"make docs, and commit: {stale}"
    for folder in generate.GENERATED:
        there = {path.relative_to(generate.DOCS) for path in (generate.DOCS / folder).iterdir()}
        assert there == {path for path in made if path.parent == Path(folder)}


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


@pytest.mark.parametrize("one", definitions(), ids=lambda one: one.name)
def test_every_command_tells_what_it_takes(one: Definition) -> None:
    assert one.usage.startswith(f"uniobs {one.name} ") and one.description.endswith((".", ")"))
    for option in one.options:
        assert option.about, f"uniobs {one.name} {option.text} has no help"
    assert {0, 2, 3, 130} <= exits(one).keys()


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text("utf-8")
    for link in LINK.findall(text):
        where, _, anchor = link.partition("#")
        assert "://" not in link, f"{link}: the project speaks of itself"
        target = path.parent / where if where else path
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in _anchors(target), f"{link}: there is no such heading"
    for name in (found for found in PATH.findall(_prose(text)) if "/foo" not in found):
        root = ROOT if (ROOT / name).exists() else path.parent
        assert (root / name).exists(), f"`{name}` isn't there"


def _prose(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def _anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", _prose(path.read_text("utf-8")), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_is_on_the_map() -> None:
    linked = {(ROOT / "docs" / link.split("#")[0]).resolve() for link in LINK.findall(_map())}
    pages = {path for path in (ROOT / "docs").glob("*.md") if path.name != "index.md"}
    assert not {path.name for path in pages - linked}


def _map() -> str:
    return (ROOT / "docs" / "index.md").read_text("utf-8")


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "man").glob("*.1")), ids=lambda path: path.stem)
def test_manual_pages_are_good_roff(path: Path) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("there is no mandoc")
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], capture_output=True, text=True)
    said = [line for line in done.stdout.splitlines() if "missing date" not in line]
    assert not said


def test_pictures_are_small_and_shown_and_fetch_nothing() -> None:
    shown = {link for page in TEXTS for link in LINK.findall(page.read_text("utf-8"))}
    for path in (ROOT / "docs" / "pictures").glob("*.svg"):
        text = path.read_text("utf-8")
        assert any(link.endswith(f"pictures/{path.name}") for link in shown), path.name
        assert len(text.encode()) < 200_000, path.name
        assert "@import" not in text and "url(h" not in text and "@font-face" not in text, path.name
        assert "://" not in text.replace("http://www.w3.org/2000/svg", ""), path.name
