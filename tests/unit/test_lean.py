"""Named tuples that cost little to define are what typing's are."""

import copy
import pickle
import typing

import pytest

from uniobs.lean import NamedTuple
from uniobs.region import _abi


class Place(NamedTuple):
    """A place."""

    file: str
    line: int | None = None

    @property
    def text(self) -> str:
        return f"{self.file}:{self.line}"


class Typed(typing.NamedTuple):
    file: str
    line: int | None = None


def test_made_as_typings_are() -> None:
    for kind in (Place, Typed):
        for _ in range(3):
            assert kind("a") == ("a", None) == kind(file="a") and kind("a", 2) == kind(line=2, file="a")
        assert kind._fields == ("file", "line") and kind._field_defaults == {"line": None}
        assert kind._make(["a", 3])._asdict() == {"file": "a", "line": 3}
        assert kind("a")._replace(line=9) == ("a", 9)
        assert repr(kind("a")) == f"{kind.__name__}(file='a', line=None)"
        for wrong in ((), ("a", 1, 2)):
            with pytest.raises(TypeError):
                kind(*wrong)
        with pytest.raises((TypeError, ValueError)):
            kind("a")._replace(other=1)
        with pytest.raises(AttributeError):
            kind("a").line = 3
    assert Place("a", 1).text == "a:1" and Place.__doc__ == "A place."


def test_copied_and_matched() -> None:
    place = Place("a", 1)
    for same in (copy.copy(place), copy.deepcopy(place), pickle.loads(pickle.dumps(place))):
        assert same == place and type(same) is Place
    match place:
        case Place(file, line):
            assert (file, line) == ("a", 1)


def test_a_row_too_few_or_too_many_is_refused() -> None:
    for count in range(len(_abi.Section._fields) + 2):
        if count != len(_abi.Section._fields):
            with pytest.raises(TypeError):
                _abi.Section(*range(count))
