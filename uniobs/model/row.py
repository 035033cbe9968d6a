"""Rows: small frozen records with slots, cheap to define.

A dataclass costs 0.4 ms to define, and the first stack of a core needs dozens; a row 0.01 ms, and its
__init__ is made when it is first called. ``dataclasses.fields``, ``replace`` and ``asdict`` work on rows too.
"""

import sys
from collections.abc import Callable

from uniobs.lean import Any, Final, NamedTuple, NoReturn, TypeVar, cast, dataclass_transform

T = TypeVar("T")
FEW: Final = 12  # rows of a kind that are filled by a loop before an __init__ is compiled for it


class _Factory(NamedTuple):
    make: Callable[[], Any]


def field(*, default_factory: Callable[[], T]) -> T:
    """A default that is made anew for each row."""
    return cast(T, _Factory(default_factory))


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """As ``dataclass(frozen=True, slots=True)``; its fields are the annotations in the class's body."""
    inherited: list[Any] = [base for base in reversed(cls.__mro__[1:]) if "_row_defaults" in base.__dict__]
    own = tuple(cls.__annotations__ if "__annotations__" in cls.__dict__ else _annotated(cls))
    body = {name: value for name, value in cls.__dict__.items() if name not in _DROPPED}
    defaults: dict[str, Any] = {}
    names: dict[str, None] = {}
    for base in inherited:
        defaults.update(base.__dict__["_row_defaults"])
        names.update(dict.fromkeys(base.__dict__["__match_args__"]))
    names.update(dict.fromkeys(own))
    defaults.update({name: body.pop(name) for name in own if name in body})
    body["__slots__"] = tuple(name for name in own if not any(name in b.__match_args__ for b in inherited))
    body["__match_args__"] = tuple(names)
    body["_row_defaults"] = defaults
    for name, method in _METHODS.items():
        body.setdefault(name, method)
    if "__eq__" in cls.__dict__ and "__hash__" not in cls.__dict__:
        body["__hash__"] = None
    made = cast("type[T]", type(cls.__name__, cls.__bases__, body))
    _later(made)
    return made


def _annotated(cls: type[Any]) -> dict[str, Any]:
    """Python 3.14 makes annotations when they are asked for."""
    return cls.__annotations__ if sys.version_info >= (3, 14) else {}


def replace(row: T, **changes: Any) -> T:
    """A copy of a row (or dataclass) with some fields changed."""
    kind: Any = type(row)
    for name in kind.__match_args__:
        if name not in changes:
            changes[name] = getattr(row, name)
    return cast(T, kind(**changes))


def as_dict(row: Any) -> dict[str, Any]:
    """A row's (or dataclass's) fields by name; rows in it, and in its lists, tuples and dicts, likewise."""
    return {name: _plain(getattr(row, name)) for name in type(row).__match_args__}


def is_row(value: Any) -> bool:
    """Whether it is a row or a dataclass's instance."""
    return not isinstance(value, type) and (
        hasattr(type(value), "_row_defaults") or hasattr(type(value), "__dataclass_fields__")
    )


def _plain(value: Any) -> Any:
    if is_row(value):
        return as_dict(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[_plain(item) for item in value])
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _later(cls: type[Any]) -> None:
    calls = 0

    def __init__(self: Any, /, *args: Any, **named: Any) -> None:
        nonlocal calls
        calls += 1
        if calls <= FEW and type(self) is cls and _fill(self, args, named):
            return
        _make_init(cls)
        cls.__init__(self, *args, **named)

    if "__init__" not in cls.__dict__:
        type.__setattr__(cls, "__init__", __init__)


def _fill(self: Any, args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Set the fields one by one; False when the arguments aren't right, or something is unusual."""
    cls = type(self)
    names, defaults = cls.__match_args__, cls._row_defaults
    given = dict(zip(names, args, strict=False))
    if len(args) > len(names) or not named.keys().isdisjoint(given):
        return False
    given.update(named)
    if len(given) < len(names):
        given = defaults | given
    if len(given) != len(names) or not all(name in given for name in names):
        return False
    for name, value in given.items():
        if value.__class__ is _Factory:
            value = value.make()
        getattr(cls, name).__set__(self, value)
    return True


def _make_init(cls: type[Any]) -> None:
    """__init__ as one would write it: the slots' own setters, since rows refuse to be set otherwise."""
    defaults = cls.__dict__["_row_defaults"]
    names = cls.__match_args__
    known: dict[str, Any] = {"_new": _Factory}
    parameters, lines = [], []
    for number, name in enumerate(names):
        known[f"_s{number}"] = getattr(cls, name).__set__
        value = name
        if name in defaults:
            parameters.append(f"{name}=_d{number}")
            known[f"_d{number}"] = defaults[name]
            if isinstance(defaults[name], _Factory):
                value = f"_d{number}.make() if {name} is _d{number} else {name}"
        else:
            parameters.append(name)
        lines.append(f" _s{number}(self, {value})")
    text = f"def __init__(self, {', '.join(parameters)}):\n" + ("\n".join(lines) or " pass")
    exec(text, known)
    known["__init__"].__qualname__ = f"{cls.__qualname__}.__init__"
    type.__setattr__(cls, "__init__", known["__init__"])


def _values(row: Any) -> tuple[Any, ...]:
    return tuple([getattr(row, name) for name in row.__match_args__])


def _repr(self: Any) -> str:
    inner = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
    return f"{type(self).__qualname__}({inner})"


def _eq(self: Any, other: object) -> Any:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _refuse(self: Any, name: str, *_: Any) -> NoReturn:
    raise AttributeError(f"{type(self).__name__} can't be changed: {name}")


class _Fields:
    """``__dataclass_fields__``, made when dataclasses' functions first ask for it."""

    def __get__(self, instance: Any, owner: type[Any]) -> Any:
        import dataclasses

        made = []
        for name in owner.__dict__["__match_args__"]:
            kwargs: dict[str, Any] = {}
            default = owner.__dict__["_row_defaults"].get(name, self)
            if isinstance(default, _Factory):
                kwargs["default_factory"] = default.make
            elif default is not self:
                kwargs["default"] = default
            made.append((name, Any, dataclasses.field(**kwargs)))
        found = dataclasses.make_dataclass(owner.__name__, made).__dict__["__dataclass_fields__"]
        type.__setattr__(owner, "__dataclass_fields__", found)  # once: it takes a millisecond
        return found


_DROPPED: Final = frozenset({"__dict__", "__weakref__"})
_METHODS: Final[dict[str, Any]] = {
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": lambda self: hash(_values(self)),
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__reduce__": lambda self: (type(self), _values(self)),
    "__dataclass_fields__": _Fields(),
}
