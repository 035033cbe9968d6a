"""The cause in words, for each way to die; and what isn't known of it."""

from pathlib import Path
from typing import Any

import pytest

from support.region_builder import RegionBuilder
from support.shop import NOW, shop, write
from uniobs.cli.report import model
from uniobs.cli.report.build import build
from uniobs.cli.report.context import Options
from uniobs.region import _abi
from uniobs.target import open_target

CODE = 0x4010
WILD = 0x4141_4141_4141_4141


def report(path: Path, guest: RegionBuilder, code: bytes = b"") -> model.Report:
    write(path, guest)
    with path.open("r+b") as file:
        file.seek(CODE)
        file.write(code)
    target = open_target(str(path))
    try:
        return build(target, Options())
    finally:
        target.close()


def cause(path: Path, code: bytes = b"", **panic: Any) -> model.Cause:
    guest = shop()
    guest.live["state"] = _abi.STATE_PANICKED
    values = {"kind": _abi.PANIC_EXCEPTION, "time": NOW, "tid": 3, "rip": CODE, "rsp": 0x30FF00, **panic}
    guest.set_panic(**values)
    body = next(section for section in report(path, guest, code).sections if section.key == "cause").body
    assert isinstance(body, model.Cause)
    return body


def fact(body: model.Cause, label: str) -> str:
    return next(one.text for one in body.facts if one.label == label)


@pytest.mark.parametrize(
    ("panic", "sentence", "access"),
    [
        ({"error": 2}, "page fault: write to 0x0, not mapped: a null pointer", "write in kernel mode"),
        (
            {"error": 4, "cr2": 0x18},
            "page fault: read of 0x18, not mapped: a null pointer and 0x18 bytes behind it",
            "read in user mode",
        ),
        (
            {"error": 3, "cr2": 0x2000_0000},
            "page fault: write to 0x20000000, not allowed there",
            "write in kernel",
        ),
        (
            {"error": 0x11, "cr2": 0x8000},
            "page fault: execution of 0x8000, not allowed there",
            "execution in",
        ),
        (
            {"error": 9, "cr2": 0x8000},
            "page fault: read of 0x8000, a page table entry has reserved bits set",
            "read in kernel mode",
        ),
        (
            {"error": 2, "cr2": 0x30_8000},
            "page fault: write to 0x308000, not mapped: stack of worker-a, 32K below its top",
            "write in kernel mode",
        ),
    ],
)
def test_page_faults(panic: dict[str, int], sentence: str, access: str, tmp_path: Path) -> None:
    body = cause(tmp_path / "guest", vector=14, **panic)
    assert body.sentence == sentence
    assert fact(body, "access").startswith(access)
    assert body.page is not None and body.page.address == panic.get("cr2", 0)
    assert body.page.mapped is None and "isn't known" not in body.sentence


def test_an_address_that_is_none(tmp_path: Path) -> None:
    """mov dword ptr [rdi + 8], esi"""
    body = cause(tmp_path / "guest", bytes.fromhex("897708"), vector=13, rdi=WILD)
    assert body.sentence == f"general protection fault: {WILD + 8:#x} is no address (not canonical)"
    assert fact(body, "instruction") == "mov dword ptr [rdi + 8], esi"
    assert fact(body, "with") == f"rdi = {WILD:#x}, esi = 0x0"
    fine = cause(tmp_path / "other", bytes.fromhex("897708"), vector=13, rdi=0x5000)
    assert fine.sentence == "general protection fault"


@pytest.mark.parametrize(("rcx", "by"), [(0, " by ecx"), (1 << 32, " by ecx"), (7, "")])
def test_a_division(rcx: int, by: str, tmp_path: Path) -> None:
    """div ecx: only a divisor that is zero is blamed."""
    assert (
        cause(tmp_path / "guest", bytes.fromhex("f7f1"), vector=0, rcx=rcx).sentence
        == f"division by zero{by}"
    )


@pytest.mark.parametrize(
    ("kind", "message", "sentence"),
    [
        (_abi.PANIC_ASSERT, b"assertion failed: a == b", "assertion failed: a == b"),
        (_abi.PANIC_ASSERT, b"a == b, main.c:3", "failed assertion: a == b, main.c:3"),
        (_abi.PANIC_OOM, b"64 bytes wanted", "out of memory: 64 bytes wanted"),
        (_abi.PANIC_STACK_SMASH, b"in parse", "stack smashed"),
        (_abi.PANIC_ABORT, b"", "abort"),
    ],
)
def test_other_deaths(kind: int, message: bytes, sentence: str, tmp_path: Path) -> None:
    body = cause(tmp_path / "guest", kind=kind, message=message)
    assert body.sentence == sentence and body.page is None
    assert (body.message or "").encode() == message


def test_without_registers(tmp_path: Path) -> None:
    guest = shop()
    guest.live["state"] = _abi.STATE_PANICKED
    guest.set_panic(kind=_abi.PANIC_EXCEPTION, vector=14, error=2, time=NOW, tid=3, rip=0)
    found = {section.key: section for section in report(tmp_path / "guest", guest).sections}
    body = found["cause"].body
    assert isinstance(body, model.Cause)
    assert body.sentence == "page fault: write to an unknown address, not mapped"
    assert found["cause"].notes == ("the record holds no registers",)
    assert found["registers"].body is None and found["registers"].reason
