"""``-e trace=``: which calls strace shows."""

import re
from collections.abc import Collection

from uniobs.errors import UsageError
from uniobs.model.row import frozen
from uniobs_probes.views.strace_names import CLASSES


@frozen
class CallFilter:
    """Names and patterns; ``negated`` shows all the others."""

    names: frozenset[str] = frozenset()
    patterns: tuple[re.Pattern[str], ...] = ()
    negated: bool = False
    everything: bool = True

    def __call__(self, name: str) -> bool:
        if self.everything:
            return not self.negated
        hit = name in self.names or any(pattern.search(name) for pattern in self.patterns)
        return hit != self.negated


def parse_filter(expression: str, known: Collection[str] = ()) -> CallFilter:
    """``open,close``, ``%network``, ``trace=!%file``, ``/regex``, ``all``, ``none``.

    Names that are in none of strace's classes must be among ``known`` (the guest's own), when given.
    Raises UsageError.
    """
    key, equals, value = expression.partition("=")
    if equals and key.strip() not in ("trace", "t"):
        raise UsageError(f"-e {key}=: only -e trace= is known here")
    value = (value if equals else expression).strip()
    negated = value.startswith("!")
    if negated:
        value = value[1:]
    if value == "all":
        return CallFilter(negated=negated)
    if value == "none":
        return CallFilter(negated=not negated)
    names: set[str] = set()
    patterns = []
    for item in filter(None, (part.strip() for part in value.split(","))):
        name = item.removeprefix("?")
        if name.startswith("%") or name in CLASSES:
            names |= _class(name.removeprefix("%"))
        elif name.startswith("/"):
            patterns.append(_pattern(name[1:]))
        elif known and not item.startswith("?") and name not in known and not _in_a_class(name):
            raise UsageError(f"invalid system call '{name}': this guest has {', '.join(sorted(known)[:12])}")
        else:
            names.add(name)
    if not names and not patterns:
        raise UsageError(f"-e {expression}: names no system call")
    return CallFilter(frozenset(names), tuple(patterns), negated, everything=False)


def _class(name: str) -> frozenset[str]:
    if name not in CLASSES:
        raise UsageError(f"unknown class %{name}: there are {', '.join('%' + c for c in sorted(CLASSES))}")
    return CLASSES[name]


def _in_a_class(name: str) -> bool:
    return any(name in members for members in CLASSES.values())


def _pattern(source: str) -> re.Pattern[str]:
    try:
        return re.compile(source)
    except re.error as error:
        raise UsageError(f"-e /{source}: {error}") from error
