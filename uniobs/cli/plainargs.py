"""The plain command line, without argparse: that costs 8 ms before it has read a word.

A Parser remembers what was declared. What is plain it parses itself, as argparse would; for anything else
(--help, mistakes, declarations that it doesn't know) it makes an argparse parser and lets that answer.
"""

from collections.abc import Callable, Sequence
from types import SimpleNamespace

from uniobs.lean import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import argparse

PLAIN = frozenset({"dest", "action", "type", "choices", "default", "help", "metavar", "nargs"})
PLAIN_GROUP = "add_argument_group"
FLAGS = frozenset({"store_true", "store_false", "count", "help"})
NOT_GIVEN = {"store_true": False, "store_false": True}


HIDDEN = "==SUPPRESS=="  # argparse.SUPPRESS


class NotPlain(Exception):
    """argparse is to answer."""


class _Option(NamedTuple):
    dest: str
    action: str
    type: Callable[[str], Any] | None
    choices: Any


class Group:
    """Of argparse's: ``how`` is the method that makes it. Those for the help text alone are plain."""

    def __init__(self, parser: "Parser", how: str, *args: Any, **kwargs: Any) -> None:
        self.parser, self.how, self.args, self.kwargs = parser, how, args, kwargs

    def add_argument(self, *flags: str, **kwargs: Any) -> None:
        self.parser.declared.append((self, flags, kwargs))


class Parser:
    """``make`` makes the argparse parser; the one positional takes any number of words."""

    def __init__(self, make: "Callable[[], argparse.ArgumentParser]") -> None:
        self.make = make
        self.declared: list[tuple[Group | None, tuple[str, ...], dict[str, Any]]] = []

    def add_argument(self, *flags: str, **kwargs: Any) -> None:
        self.declared.append((None, flags, kwargs))

    def add_argument_group(self, *args: Any, **kwargs: Any) -> Group:
        return Group(self, PLAIN_GROUP, *args, **kwargs)

    def add_mutually_exclusive_group(self, **kwargs: Any) -> Group:
        return Group(self, "add_mutually_exclusive_group", **kwargs)

    def real(self) -> "argparse.ArgumentParser":
        parser = self.make()
        groups: dict[Group, Any] = {}
        from argparse import SUPPRESS  # it is told by its identity

        for group, flags, kwargs in self.declared:
            if kwargs.get("help") == HIDDEN:
                kwargs = kwargs | {"help": SUPPRESS}
            if group is not None and group not in groups:
                groups[group] = getattr(parser, group.how)(*group.args, **group.kwargs)
            (parser if group is None else groups[group]).add_argument(*flags, **kwargs)
        return parser

    def format_help(self) -> str:
        return self.real().format_help()

    def parse(self, argv: Sequence[str]) -> Any:
        """The options, as a namespace. Raises as the argparse parser does."""
        try:
            return self._plain(list(argv))
        except NotPlain:
            return self.real().parse_intermixed_args(list(argv))

    def _options(self) -> tuple[dict[str, _Option], SimpleNamespace, list[str]]:
        options: dict[str, _Option] = {}
        found = SimpleNamespace()
        words: list[str] | None = None
        for group, flags, kwargs in self.declared:
            action, default = kwargs.get("action", "store"), kwargs.get("default")
            if group is not None and group.how != PLAIN_GROUP:
                raise NotPlain
            if not kwargs.keys() <= PLAIN or action not in FLAGS | {"store", "append"}:
                raise NotPlain
            if not flags[0].startswith("-"):
                if words is not None or kwargs.get("nargs") != "*" or default is not None:
                    raise NotPlain
                words = []
                setattr(found, flags[0], words)
                continue
            if "nargs" in kwargs or (isinstance(default, str) and (default == HIDDEN or "type" in kwargs)):
                raise NotPlain
            long = next((flag for flag in flags if flag.startswith("--")), flags[0])
            dest = kwargs.get("dest") or long.lstrip("-").replace("-", "_")
            if action != "help" and not hasattr(found, dest):
                setattr(found, dest, kwargs["default"] if "default" in kwargs else NOT_GIVEN.get(action))
            option = _Option(dest, action, kwargs.get("type"), kwargs.get("choices"))
            options.update(dict.fromkeys(flags, option))
        if words is None:
            raise NotPlain
        return options, found, words

    def _plain(self, argv: list[str]) -> SimpleNamespace:
        options, found, words = self._options()
        left = iter(argv)
        for word in left:
            if not word.startswith("-") or word == "-":
                words.append(word)
                continue
            name, equals, value = word.partition("=")
            if not word.startswith("--"):
                if equals or " " in word:
                    raise NotPlain
                name, value = self._cluster(word, options, found)
                if not name:
                    continue
            option = options.get(name)
            if option is None or (option.action in FLAGS and equals):
                raise NotPlain
            if option.action in FLAGS:
                self._flag(option, found)
                continue
            if not equals and not value:
                value = next(left, "-")
                if value.startswith("-"):
                    raise NotPlain
            self._take(option, value, found)
        return found

    def _cluster(self, word: str, options: dict[str, _Option], found: SimpleNamespace) -> tuple[str, str]:
        """-efo VALUE: the flags are set; ("-o", what follows in it), or ("", "") when all were flags."""
        for at in range(1, len(word)):
            option = options.get("-" + word[at])
            if option is None:
                raise NotPlain
            if option.action not in FLAGS:
                return "-" + word[at], word[at + 1 :]
            self._flag(option, found)
        return "", ""

    def _flag(self, option: _Option, found: SimpleNamespace) -> None:
        if option.action == "help":
            raise NotPlain
        counted = (getattr(found, option.dest) or 0) + 1 if option.action == "count" else None
        setattr(found, option.dest, counted if counted is not None else option.action == "store_true")

    def _take(self, option: _Option, text: str, found: SimpleNamespace) -> None:
        value: Any = text
        if option.type is not None:
            try:
                value = option.type(text)
            except Exception as error:
                raise NotPlain from error
        if option.choices is not None and value not in option.choices:
            raise NotPlain
        if option.action == "append":
            value = [*(getattr(found, option.dest) or ()), value]
        setattr(found, option.dest, value)
