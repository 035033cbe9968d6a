"""Whole screens, as text. ``UNIOBS_GOLDEN=write`` writes them anew: read the difference then."""

import os
from pathlib import Path

import pytest

from support.shop import crashed, shop, write
from uniobs.cli.main import main

HERE = Path(__file__).parent / "text"
SHELL = [
    "::status", "::threads", "::locks", "::threads | print $it * 2", "6 * 7; print/x 255; 1 +", "::heap",
    "::netstat -an", "x/4xg 0x1", "::nonsense", "::set rows 3; ::set", "nobody::stack", "::dmesg -n 2",
    "::thread 99",
]  # fmt: skip
SCREENS = {
    "ps": ["ps", "-ef", "shop"],
    "top": ["top", "-b", "-n", "1", "shop"],
    "netstat": ["netstat", "-tuanp", "shop"],
    "netstat-i": ["netstat", "-i", "shop"],
    "netstat-s": ["netstat", "-s", "shop"],
    "ss": ["ss", "-tuanpi", "shop"],
    "vmstat": ["vmstat", "shop"],
    "counters": ["counters", "shop"],
    "strace": ["strace", "-f", "-T", "shop"],
    "dmesg": ["dmesg", "-x", "shop"],
    "tcpdump": ["tcpdump", "-n", "-t", "-e", "-X", "shop"],
    "why-deadlock": ["why", "shop"],
    "why-crash": ["why", "dead"],
    "bt-crash": ["bt", "dead"],
    "shell": ["shell", *(word for command in SHELL for word in ("-c", command)), "shop"],
    "core-show": ["core", "show", "dead"],
}


@pytest.mark.parametrize("screen", SCREENS)
def test_screen(
    screen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "shop", shop())
    write(tmp_path / "dead", crashed(shop(name=b"w\x1b[2Jb")))
    os.utime(tmp_path / "dead", (1700000100, 1700000100))
    monkeypatch.chdir(tmp_path)
    argv = [f"./{word}" if word in ("shop", "dead") else word for word in SCREENS[screen]]
    code = main(argv)
    shown = capsys.readouterr()
    text = f"$ uniobs {' '.join(SCREENS[screen])}\n{shown.out}--- stderr, exit {code}\n{shown.err}"
    golden = HERE / f"{screen}.txt"
    if os.environ.get("UNIOBS_GOLDEN") == "write":
        HERE.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
