"""The HTML page: it needs nothing, it runs nothing, and no guest's text becomes markup."""

import dataclasses
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.markup import Page, checked
from support.shop import crashed, shop, write
from uniobs.cli.main import main
from uniobs.cli.report import model
from uniobs.cli.report.build import KEYS
from uniobs.cli.report.html import markup
from uniobs.cli.report.html.page import page
from uniobs.model.guest import Status, Verdict
from uniobs.model.text import safe

EVIL = '</pre></details></svg><script>alert(1)</script><img src=x>"\' onload="x\x1b[2J\u202e&amp;'


def filled(kind: Any, text: str, many: int) -> Any:
    """A value of a type of the model, with ``text`` wherever text goes, and lists of ``many``."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is str:
        return text
    if kind is int:
        return 1
    if kind is bool:
        return True
    if origin is tuple:
        return tuple(filled(inner[0], text, many) for _ in range(many))
    if origin is dict or kind is Any:
        return {text: text}
    if origin is UnionType:
        return filled(inner[0], text, many)
    if get_args(kind) and all(isinstance(one, str) for one in inner):  # Literal
        return inner[0]
    hints = get_type_hints(kind)
    return kind(
        **{name: filled(hint, text, many) for name, hint in hints.items() if name in kind.__match_args__}
    )


BODIES = get_args(model.Body)


def report(text: str, many: int = 2) -> model.Report:
    """One section of each kind, and one of each state that has nothing to show."""
    sections = [
        model.Section(f"k{n}", text, "ok", filled(kind, text, many), text, text, (text,))
        for n, kind in enumerate(BODIES)
    ]
    lines = filled(model.Lines, text, many)
    sections.append(model.Section("timeline", text, "ok", lines, text))
    sections.append(model.Section("none", text, "not-offered", reason=text, notes=(text,)))
    verdict = Verdict(name=text, headline=text, severity=0, lines=(text, text), title=text)
    return model.Report(
        target=text, version=text, headline=text, style="bad", about=text, facts=(model.Fact(text, text),),
        status=Status("dead", text), verdicts=(verdict, verdict), finding=True, complete=True,
        sections=tuple(sections), unproven=text,
    )  # fmt: skip


def test_every_kind_of_section_with_hostile_text() -> None:
    found = checked(page(report(EVIL)))
    shown = safe(EVIL)
    assert found.text.count(shown) > 60
    assert "\\x1b[2J" in found.text and "\\u202e" in found.text


def test_a_hostile_guest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build = crashed(shop(name=b"</pre><b>\xe2\x80\xaex"))
    build.lock(va=0x9000, name=b"<script>1</script>", owner_tid=3)
    path = write(tmp_path / "<script>.mem", build)
    assert main(["core", "show", str(path), "--html", "-"]) == 1
    found = checked(capsys.readouterr().out)
    assert "</pre><b>\\u202ex" in found.text and "<script>1</script>" in found.text
    assert "disk \\x1b[31mred\\x07" in found.text


def test_every_section_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, build in enumerate((shop(), crashed(shop()))):
        path = write(tmp_path / f"guest{number}", build)
        main(["core", "show", str(path), "--html", "-"])
        found = checked(capsys.readouterr().out)
        assert [one for one in found.ids if not one.startswith("arrow")] == ["report", *KEYS]


def test_a_deadlock_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["core", "show", str(write(tmp_path / "shop", shop())), "--html", "-"])
    found = checked(capsys.readouterr().out)
    assert ("svg", "class", "graph") in found.attributes
    assert "A circle: worker-a waits for lock_b, held by worker-b; worker-b waits for lock_a" in found.text
    assert sum(value == "lock" for tag, name, value in found.attributes if (tag, name) == ("g", "class")) == 2


def test_a_page_stays_small_and_says_what_it_leaves_out() -> None:
    large = filled(model.Tables, '"' * 700, 12)
    sections = tuple(model.Section(f"k{n}", "Large", "ok", large) for n in range(3))
    verdicts = tuple(
        Verdict(name="v", headline='"' * 700, severity=0, lines=('"' * 700,) * 500) for _ in range(99)
    )
    source = page(dataclasses.replace(report("x"), sections=sections, verdicts=verdicts))
    assert "left out, since the page would become too large" in checked(source).text


@given(st.text(max_size=200))
def test_text_comes_back_as_it_was(value: str) -> None:
    made = markup.el("p", value, title=value)
    found = Page(made)
    assert found.text == safe(value)
    assert all(one[2] == safe(value) for one in found.attributes)


def test_files_are_written_whole_or_not_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    guest = str(write(tmp_path / "shop", crashed(shop())))
    target = tmp_path / "report.html"
    assert main(["core", "show", guest, "-o", str(target)]) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith("shop is DEAD: page fault") and str(target) in shown.err
    checked(target.read_text("utf-8"))
    assert main(["core", "show", guest, "-o", str(tmp_path / "no" / "report.html")]) == 3
    assert capsys.readouterr().err.startswith("uniobs: ")
    assert main(["core", "show", guest, "-o", str(tmp_path / "report.json")]) == 1
    assert main(["core", "show", guest, "-o", str(tmp_path / "report.txt")]) == 1
    assert '"sections"' in (tmp_path / "report.json").read_text("utf-8")
    assert "== Stacks" in (tmp_path / "report.txt").read_text("utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "report.html",
        "report.json",
        "report.txt",
        "shop",
    ]
