"""What may come next in a line: commands, threads, symbols, members after . and ->, types. Bounded."""

import re
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from uniobs.cli.shell import line, table
from uniobs.cli.shell.state import Shell, setting_names
from uniobs.cli.shell.walks import TABLES
from uniobs.errors import UniobsError
from uniobs.image.types_expr import evaluate
from uniobs.image.types_model import RECORDS, Kind

MOST: Final = 100
_WORD: Final = re.compile(r"[\w$:~]*$")
# What the shell takes as part of a name: a guest's mustn't end the command, or begin one of this host.
_TYPED: Final = re.compile(r"[\w$:~<>()\[\]{}.,&*+=%^/ -]+")
_TYPE_WORDS: Final = re.compile(r"\b(struct|union|enum|class)\s+([\w:]*)$")
_COMMAND: Final = re.compile(r"(?:^|[\s\w\])])(::)([\w-]*)$")
_LETTERS: Final = {"struct": "s", "class": "s", "union": "u", "enum": "e"}


class Choice(NamedTuple):
    """``text`` replaces the last ``length`` characters; ``about`` explains it."""

    text: str
    length: int
    about: str = ""


class Completer:
    """Names are collected once: images don't change under a shell."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self._names: list[str] | None = None
        self._kinds: dict[str, list[str]] = {}

    def choices(self, text: str) -> list[Choice]:
        """For what was typed up to the cursor. Never raises a UniobsError."""
        try:
            found = self._choices(re.split(r"[;\n]", text)[-1])
            return [choice for choice in found if _TYPED.fullmatch(choice.text)][:MOST]
        except UniobsError:
            return []

    def _choices(self, text: str) -> list[Choice]:
        piece = re.split(r"(?<!\|)\|(?!\|)", text)[-1].lstrip()
        if (match := _COMMAND.search(piece)) is not None and not piece.startswith(match.group(2) or "\0"):
            found = self._commands(match.group(2), len(match.group(2)))
            if found:
                return found
        stage = line.stage(piece, table.names())
        if not stage.name:
            found = self._expression(piece)
            bare = re.fullmatch(r"[A-Za-z][\w-]*", piece) is not None
            return [*(self._commands(piece, len(piece)) if bare else ()), *found]
        known = table.find(stage.name)
        if known is None or not (stage.arguments or piece[-1:].isspace()):
            return self._commands(stage.name, len(stage.name))
        return self._argument(known, stage.arguments)

    def _commands(self, start: str, length: int) -> list[Choice]:
        return [
            Choice(name, length, about.about)
            for name in sorted(table.names())
            if name.startswith(start) and (about := table.find(name)) is not None
        ]

    def _argument(self, known: table.Command, text: str) -> list[Choice]:
        word = text.split(" ")[-1]
        if known.completes == "thread":
            return self._starting(word, self._threads()) or self._expression(text)
        if known.completes == "command":
            return self._commands(word.removeprefix("::"), len(word.removeprefix("::")))
        if known.completes == "setting":
            return self._starting(word, [(name, "") for name in setting_names()])
        if known.completes == "type":
            return (self._types("s", word) if "." not in word else []) + self._expression(text)
        if known.completes == "walk":
            tables = [(name, "a table") for name in (*TABLES, "locks")] if " " not in text else []
            return self._starting(word, tables) + self._expression(text)
        if known.completes in ("expression", "symbol"):
            return self._expression(text)
        return []

    def _starting(self, word: str, rows: Iterable[tuple[str, str]]) -> list[Choice]:
        return [Choice(name, len(word), about) for name, about in rows if name.startswith(word)]

    def _threads(self) -> list[tuple[str, str]]:
        try:
            threads = self.shell.scope.threads()
        except UniobsError:
            return []
        return [(t.name, f"thread {t.tid}") for t in threads if t.name and not t.torn]

    # --- expressions ----------------------------------------------------------------------------------

    def _expression(self, text: str) -> list[Choice]:
        if (match := _TYPE_WORDS.search(text)) is not None:
            return self._types(_LETTERS[match.group(1)], match.group(2))
        member = re.search(r"(\.|->)\s*(\w*)$", text)
        if member is not None:
            return self._members(text[: member.start()], member.group(2))
        match = _WORD.search(text)
        word = match.group() if match is not None else ""
        if word.startswith("$"):
            return self._registers(word)
        near = self.shell.local_names if self.shell.scope.local is not None else ()
        found = self._starting(word, [(name, "local") for name in near])
        if word:
            found += [Choice(name, len(word)) for name in self._prefixed(self._symbols(), word)]
        return found

    def _members(self, before: str, start: str) -> list[Choice]:
        """Of whatever stands before the dot; it is evaluated as far as it goes."""
        base = last_operand(before)
        if not base:
            return []
        made = evaluate(base, self.shell.scope).type
        made = made.target if made.kind is Kind.POINTER else made
        if made.kind not in RECORDS:
            return []
        return [
            Choice(name, len(start), str(made.table.type_at(member.reference)))
            for name, member in made.fields.items()
            if name.startswith(start)
        ]

    def _registers(self, word: str) -> list[Choice]:
        names = self.shell.scope.registers(self.shell.thread()).values
        rows = [(f"${name}", f"{value:#x}") for name, value in names.items()]
        return self._starting(word, rows)

    def _types(self, letter: str, word: str) -> list[Choice]:
        if letter not in self._kinds:
            self._kinds[letter] = sorted(
                {name for module in self._described() for name in module.types.table.index.names(letter)}
            )
        return [Choice(name, len(word)) for name in self._prefixed(self._kinds[letter], word)]

    def _described(self) -> list[Any]:
        return [module for module in self.shell.target.modules if module.dwarf is not None]

    def _symbols(self) -> list[str]:
        """Variables and functions of all images, sorted."""
        if self._names is None:
            found: set[str] = set()
            for module in self.shell.target.modules:
                for elf in filter(None, (module.elf, module.debug)):
                    found.update(name for _, _, name in elf.symbols.functions())
                    found.update(row.name for row in elf.symbols.variables())
                if module.dwarf is not None:
                    found.update(module.types.table.index.names("v"))
            self._names = sorted(found)
        return self._names

    @staticmethod
    def _prefixed(names: list[str], word: str) -> list[str]:
        at = bisect_left(names, word)
        found: list[str] = []
        while at < len(names) and names[at].startswith(word) and len(found) < MOST:
            found.append(names[at])
            at += 1
        return found


def last_operand(text: str) -> str:
    """ "x + a[3].b" -> "a[3].b": the postfix expression that a text ends with."""
    at = len(text)
    while at > 0:
        char = text[at - 1]
        if char in ")]":
            depth, at = 1, at - 1
            while at > 0 and depth:
                at -= 1
                depth += (text[at] in ")]") - (text[at] in "([")
        elif char.isalnum() or char in "_$.:'":
            at -= 1
        elif char == ">" and text[at - 2 : at - 1] == "-":
            at -= 2
        else:
            break
    return text[at:].strip()
