"""Rows: what a frozen dataclass with slots does, and what dataclasses' functions make of them."""

import copy
import dataclasses
import pickle
import subprocess
import sys

import pytest

from uniobs.model.guest import Frame, Registers, Stack, Thread, Wait
from uniobs.model.row import as_dict, field, frozen, is_row, replace

SLOW = {"dataclasses", "inspect", "typing", "re", "enum", "json", "numpy", "pathlib", "tempfile", "hashlib"}


@frozen
class Pair:
    first: int
    second: str | None = None
    rest: dict[str, int] = field(default_factory=dict)


@frozen
class Triple(Pair):
    third: int = 3


def test_made_as_a_dataclass_is() -> None:
    assert Pair(1) == Pair(first=1, second=None, rest={})
    assert repr(Pair(1, "b")) == "Pair(first=1, second='b', rest={})"
    assert Pair(1).rest is not Pair(1).rest
    assert Pair(1) != Pair(2) and Pair(1) != (1, None, {})
    assert hash(Wait("mutex", 5)) == hash(Wait("mutex", 5))
    for wrong in ((), (1, 2, {}, 4)):
        with pytest.raises(TypeError):
            Pair(*wrong)
    with pytest.raises(TypeError):
        Pair(1, other=2)
    with pytest.raises(TypeError):
        Pair(second="b", other=2)
    for _ in range(8):  # made otherwise from some number on
        assert Pair(1, rest={"a": 1}) == Pair(1, None, {"a": 1})


def test_cannot_be_changed() -> None:
    pair = Pair(1)
    for name in ("first", "other"):
        with pytest.raises(AttributeError):
            setattr(pair, name, 2)
    with pytest.raises(AttributeError):
        del pair.first
    assert not hasattr(pair, "__dict__")


def test_inherited() -> None:
    triple = Triple(1, third=4)
    assert (triple.first, triple.second, triple.third) == (1, None, 4)
    assert isinstance(triple, Pair) and triple != Pair(1)
    assert as_dict(triple) == {"first": 1, "second": None, "rest": {}, "third": 4}


def test_copied() -> None:
    stack = Stack(1, (Frame(0, 16, "main", "main.c", 3, "cfi"),), note="n")
    for same in (copy.copy(stack), copy.deepcopy(stack), pickle.loads(pickle.dumps(stack)), replace(stack)):
        assert same == stack
    assert replace(stack, note=None) == Stack(1, stack.frames)
    with pytest.raises(TypeError):
        replace(stack, nothing=1)


def test_dataclasses_functions_work_on_them() -> None:
    thread = Thread(3, "main", wait=Wait("mutex", name="ledger"))
    assert dataclasses.is_dataclass(thread) and is_row(thread) and not is_row(Thread)
    assert dataclasses.asdict(thread) == as_dict(thread)
    assert as_dict(thread)["wait"]["name"] == "ledger"
    assert dataclasses.replace(thread, tid=4) == replace(thread, tid=4)
    assert [f.name for f in dataclasses.fields(Registers)] == ["values", "source", "cpu"]
    assert dataclasses.fields(Registers)[0].default_factory is dict
    match thread:
        case Thread(tid, name):
            assert (tid, name) == (3, "main")


def test_the_first_stack_does_without_what_is_slow_to_import() -> None:
    """What costs most at start-up isn't imported by what opens a core and walks a stack."""
    code = (
        "import sys, uniobs.target, uniobs.target.files, uniobs.target.stacks, uniobs.image.unwind\n"
        "import uniobs.target.modules, uniobs.image.module, uniobs_probes.kernels.stub\n"
        f"assert not {SLOW} & set(sys.modules), sorted({SLOW} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
