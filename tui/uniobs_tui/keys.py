"""Keymaps as data: what a typed key stands for. Bindings are those of htop; other habits are other keys for
them, so that every widget obeys them. No Textual here.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from uniobs.errors import UsageError

HTOP: Final[Mapping[str, str]] = {}
MOVES: Final[Mapping[str, str]] = {"j": "down", "k": "up", "g": "home", "G": "end"}
VIM: Final[Mapping[str, str]] = {
    **MOVES,
    "ctrl+d": "pagedown", "ctrl+u": "pageup", "ctrl+f": "pagedown", "ctrl+b": "pageup",
    "ctrl+o": "escape",
}  # fmt: skip
K9S: Final[Mapping[str, str]] = {
    **MOVES,
    "ctrl+f": "pagedown", "ctrl+b": "pageup",
    "slash": "backslash",  # k9s filters by /
}  # fmt: skip
KEYMAPS: Final[Mapping[str, Mapping[str, str]]] = {"htop": HTOP, "vim": VIM, "k9s": K9S}

SHOWN: Final[Mapping[str, str]] = {
    "left_square_bracket": "[", "right_square_bracket": "]", "left_curly_bracket": "{",
    "right_curly_bracket": "}", "slash": "/", "backslash": "\\", "colon": ":", "question_mark": "?",
    "escape": "Esc", "enter": "Enter", "backspace": "Backspace", "pageup": "PgUp", "pagedown": "PgDn",
    "home": "Home", "end": "End", "up": "Up", "down": "Down", "left": "Left", "right": "Right",
    "space": "Space", "tab": "Tab", "shift+tab": "Shift-Tab", "less_than_sign": "<",
    "greater_than_sign": ">", "full_stop": ".", "comma": ",", "plus": "+", "minus": "-",
    "equals_sign": "=", "delete": "Del", "insert": "Ins", "exclamation_mark": "!", "at": "@",
    "asterisk": "*", "semicolon": ";", "apostrophe": "'", "quotation_mark": '"', "vertical_line": "|",
}  # fmt: skip


def shown(key: str) -> str:
    """How a key is written for people: ``[``, F5, Ctrl-P."""
    if key in SHOWN:
        return SHOWN[key]
    if key.startswith("ctrl+"):
        rest = shown(key[5:])
        return "Ctrl-" + (rest.upper() if len(rest) == 1 else rest)
    if key.startswith("shift+"):
        return "Shift-" + shown(key[6:])
    if key[:1] == "f" and key[1:].isdigit():
        return key.upper()
    return key


@dataclass(frozen=True)
class Settings:
    """What the user chose: on the command line, or in the configuration file."""

    keys: str = "htop"
    theme: str = "auto"
    interval: float = 1.0
    keymap: Mapping[str, str] = field(default_factory=dict)  # the user's own, typed key -> key

    @property
    def typed(self) -> dict[str, str]:
        """Typed key -> the key that it stands for."""
        return {**KEYMAPS[self.keys], **self.keymap}


THEMES: Final = ("auto", "dark", "light", "16")


def config_path() -> str:
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(base, "uniobs", "tui.toml")


def settings(keys: str | None = None, theme: str | None = None, interval: float | None = None) -> Settings:
    """Those of the file, with what the command line says instead. Raises UsageError."""
    path = config_path()
    told = _read(path)
    unknown = told.keys() - {"keys", "theme", "interval", "keymap"}
    if unknown:
        raise UsageError(f"{path}: no setting is called {min(unknown)!r}: keys, theme, interval, [keymap]")
    made = Settings(
        keys or told.get("keys", "htop"),
        theme or told.get("theme", "auto"),
        interval or told.get("interval", 1.0),
        told.get("keymap", {}),
    )
    if made.keys not in KEYMAPS:
        raise UsageError(f"{path}: keys is one of {', '.join(KEYMAPS)}, not {made.keys!r}")
    if made.theme not in THEMES:
        raise UsageError(f"{path}: theme is one of {', '.join(THEMES)}, not {made.theme!r}")
    if not isinstance(made.interval, int | float) or not 0.05 <= made.interval <= 3600:
        raise UsageError("the interval is a number of seconds from 0.05 to 3600")
    if not isinstance(made.keymap, dict) or not all(isinstance(v, str) for v in made.keymap.values()):
        raise UsageError(f'{path}: [keymap] has lines like "ctrl+n" = "down"')
    return made


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None
