"""What the first stack needs of ``typing``, without importing it: that, and its named tuples, cost 9 ms.

For a type checker these are typing's own. Annotations mean nothing at run time, and a named tuple's __new__
is made when it is first called. Code that isn't on the way to a first stack may as well import typing.
"""

import sys

TYPE_CHECKING = False

if TYPE_CHECKING or sys.version_info >= (3, 14):
    from typing import (
        TYPE_CHECKING,
        Any,
        ClassVar,
        Final,
        Generic,
        Literal,
        NamedTuple,
        NoReturn,
        Protocol,
        Self,
        TextIO,
        TypedDict,
        TypeVar,
        cast,
        dataclass_transform,
        overload,
    )
else:
    from _collections import _tuplegetter

    class _Form:
        """Stands for whatever is written in an annotation."""

        def __getitem__(self, _):
            return self

        def __or__(self, _):
            return self

        __ror__ = __or__

    Any = ClassVar = Final = Literal = NoReturn = Self = TextIO = _Form()

    class Protocol:
        def __class_getitem__(cls, _):
            return cls

    class Generic:
        __slots__ = ()

        def __class_getitem__(cls, _):
            return cls

    class TypedDict(dict):
        def __init_subclass__(cls, **_):
            pass

    def TypeVar(*_, **__):
        return Any

    def cast(_, value):
        return value

    def overload(function):
        return function

    def dataclass_transform(**_):
        return lambda function: function

    class _Meta(type):
        def __new__(meta, name, bases, body):
            fields = tuple(body.get("__annotations__", ()))
            defaults = {field: body.pop(field) for field in fields if field in body}
            made = {
                "__slots__": (),
                "__match_args__": fields,
                "_fields": fields,
                "_field_defaults": defaults,
                "__new__": _FIRST,
            }
            made.update({field: _tuplegetter(at, "") for at, field in enumerate(fields)})
            made.update(_METHODS)
            made.update(body)
            return type(name, (tuple, *(base for base in bases if base is not _NamedTuple)), made)

    def _first_new(_cls, /, *args, **named):
        calls = _CALLS[_cls] = _CALLS.get(_cls, 0) + 1
        if calls <= _FEW and len(args) == len(_cls._fields) and not named:
            return tuple.__new__(_cls, args)
        owner = next(base for base in _cls.__mro__ if base.__dict__.get("__new__") is _FIRST)
        names, defaults = owner._fields, owner._field_defaults
        known = {"_new": tuple.__new__, **{f"_d{at}": defaults.get(name) for at, name in enumerate(names)}}
        arguments = ", ".join(
            f"{name}=_d{at}" if name in defaults else name for at, name in enumerate(names)
        )
        values = "".join(f"{name}, " for name in names)
        owner.__new__ = eval(f"lambda _cls, {arguments}: _new(_cls, ({values}))", known)
        owner.__new__.__name__, owner.__new__.__qualname__ = "__new__", f"{owner.__qualname__}.__new__"
        return owner.__new__(_cls, *args, **named)

    _FIRST = staticmethod(_first_new)
    _CALLS, _FEW = {}, 32  # so many of a kind are made without a __new__ of their own

    def _make(cls, iterable):
        return cls.__new__(cls, *iterable)

    def _replace(self, /, **changes):
        result = self._make(map(changes.pop, self._fields, self))
        if changes:
            raise TypeError(f"{type(self).__name__} has no fields {list(changes)}")
        return result

    def _asdict(self):
        return dict(zip(self._fields, self, strict=True))

    def _repr(self):
        inner = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
        return f"{type(self).__name__}({inner})"

    _METHODS = {
        "_make": classmethod(_make),
        "_replace": _replace,
        "_asdict": _asdict,
        "__repr__": _repr,
        "__getnewargs__": lambda self: tuple(self),
    }
    _NamedTuple = type.__new__(_Meta, "NamedTuple", (), {})

    def NamedTuple(*_):
        raise TypeError("NamedTuple is a base class")

    NamedTuple.__mro_entries__ = lambda _: (_NamedTuple,)


__all__ = [
    "TYPE_CHECKING",
    "Any",
    "ClassVar",
    "Final",
    "Generic",
    "Literal",
    "NamedTuple",
    "NoReturn",
    "Protocol",
    "Self",
    "TextIO",
    "TypeVar",
    "TypedDict",
    "cast",
    "dataclass_transform",
    "overload",
]
