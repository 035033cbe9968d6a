"""What the terminal UI's shell is made of: colours, ASCII, keymaps, settings, the guard of its page."""

from pathlib import Path

import pytest

from uniobs.errors import UsageError
from uniobs_tui.background import is_dark
from uniobs_tui.keys import KEYMAPS, config_path, settings, shown
from uniobs_tui.serve import allowed, same_origin
from uniobs_tui.theme import ascii_text, choose, poor

FULL = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("wanted", "environ", "background", "theme"),
    [
        ("auto", FULL, None, "uniobs-dark"),
        ("auto", FULL, False, "uniobs-light"),
        ("auto", {**FULL, "COLORFGBG": "0;15"}, None, "uniobs-light"),
        ("auto", {**FULL, "COLORFGBG": "15;default;0"}, None, "uniobs-dark"),
        ("auto", {**FULL, "COLORFGBG": "junk"}, None, "uniobs-dark"),
        ("auto", {"TERM": "linux"}, None, "uniobs-16"),
        ("auto", {"TERM": "xterm", "COLORTERM": "truecolor"}, True, "uniobs-dark"),
        ("auto", {"TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver"}, None, "uniobs-dark"),
        ("light", {"TERM": "linux"}, None, "uniobs-light"),
        ("dark", {**FULL, "NO_COLOR": ""}, None, "uniobs-16"),
    ],
)
def test_which_theme(wanted: str, environ: dict[str, str], background: bool | None, theme: str) -> None:
    assert choose(wanted, environ, background) == theme


@pytest.mark.parametrize(
    ("environ", "ascii_only"),
    [
        ({"TERM": "xterm", "LANG": "C.UTF-8"}, False),
        ({"TERM": "xterm"}, False),
        ({"TERM": "xterm", "LANG": "C"}, True),
        ({"TERM": "xterm", "LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),  # Python's doing
        ({"TERM": "xterm", "LANG": "C", "LC_ALL": "en_US.UTF-8"}, False),
        ({"TERM": "xterm", "LC_ALL": "POSIX"}, True),
        ({"TERM": "xterm", "LANG": "de_DE.ISO-8859-1"}, True),
        ({"TERM": "linux", "LANG": "C.UTF-8"}, True),
        ({"TERM": "vt220"}, True),
    ],
)
def test_who_can_show_ascii_only(environ: dict[str, str], ascii_only: bool) -> None:
    assert poor(environ) is ascii_only


def test_ascii_takes_the_same_cells() -> None:
    assert ascii_text("plain") == "plain"
    assert ascii_text("├─●─┤ ▁▂▄█ ⣿⠀✗ …") == "+-*-+ -_-# # x ~"
    assert ascii_text("日本é") == "?????"
    every = "".join(chr(code) for code in range(0x2500, 0x2900))
    assert ascii_text(every).isascii() and len(ascii_text(every)) >= len(every)


@pytest.mark.parametrize(
    ("answer", "dark"),
    [
        (b"\x1b]11;rgb:0000/0000/0000\x1b\\\x1b[?62;4c", True),
        (b"\x1b]11;rgb:ffff/ffff/ffff\x07\x1b[?6c", False),
        (b"\x1b]11;rgb:fa/fa/fa\x1b\\", False),
        (b"\x1b[?62c", None),
        (b"\x1b]11;rgb:zz/00/00\x07", None),
        (b"", None),
    ],
)
def test_what_a_terminal_says_of_its_background(answer: bytes, dark: bool | None) -> None:
    assert is_dark(answer) is dark


def test_keys_are_written_for_people() -> None:
    keys = {"f5": "F5", "ctrl+p": "Ctrl-P", "left_square_bracket": "[", "shift+tab": "Shift-Tab",
            "ctrl+pageup": "Ctrl-PgUp", "t": "t"}  # fmt: skip
    assert [shown(key) for key in keys] == list(keys.values())
    for keymap in KEYMAPS.values():
        assert not set(keymap) & {"enter", "escape", "question_mark", "colon", "q"}


def write(text: str) -> str:
    path = Path(config_path())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return str(path)


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def test_settings_are_kept_in_a_file() -> None:
    assert settings().keys == "htop" and settings().interval == 1.0
    write('keys = "vim"\ntheme = "light"\ninterval = 0.5\n[keymap]\n"ctrl+n" = "down"\n')
    found = settings()
    assert (found.keys, found.theme, found.interval) == ("vim", "light", 0.5)
    assert found.typed["j"] == "down" and found.typed["ctrl+n"] == "down"
    assert settings("k9s", "16", 2.0).typed["slash"] == "backslash"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('keys = "emacs"', "keys is one of"),
        ('theme = "pink"', "theme is one of"),
        ('interval = "often"', "interval"),
        ("interval = 0", "interval"),
        ('color = "red"', "color"),
        ('keymap = "vim"', "keymap"),
        ("[keymap]\nj = 5", "keymap"),
        ("keys = [", "tui.toml"),
        ("keys = 5", "keys is one of"),
    ],
)
def test_settings_that_mean_nothing(text: str, why: str) -> None:
    write(text)
    with pytest.raises(UsageError, match=why.replace(".", r"\.")):
        settings()


def test_who_may_see_the_page() -> None:
    assert allowed("secret", "secret")
    assert not allowed("secret", None) and not allowed("secret", "") and not allowed("secret", "secret ")
    assert same_origin("127.0.0.1:8000", None) and same_origin("127.0.0.1:8000", "http://127.0.0.1:8000")
    assert not same_origin("evil.example:8000", None)
    assert not same_origin("127.0.0.1:8000", "http://evil.example")
    assert not same_origin("127.0.0.1:8000", "http://127.0.0.1:9000")
