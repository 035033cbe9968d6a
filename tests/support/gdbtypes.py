"""gdb as the oracle for types: layouts of a program's structs, and the values that it reads from a core."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

_COMMON = """
import gdb, json
for order in ("pagination off", "confirm off", "debuginfod enabled off", "print static-members off"):
    gdb.execute("set " + order)
def strip(t):
    while t.code in (gdb.TYPE_CODE_TYPEDEF,) or t != t.unqualified():
        t = t.strip_typedefs().unqualified()
    return t
RECORDS = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)
def fields(t):
    return [f for f in t.fields() if getattr(f, "bitpos", None) is not None]
def layout(t, bit=0, path=""):
    rows = []
    for f in fields(t):
        inner = strip(f.type)
        nested = f.is_base_class or not f.name
        if not nested:
            rows.append([path + f.name, bit + f.bitpos, f.bitsize, inner.sizeof])
        if inner.code in RECORDS:
            rows += layout(inner, bit + f.bitpos, path if nested else path + f.name + ".")
    return rows
def value(v):
    t = strip(v.type)
    if t.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
        return int(v.referenced_value().address)
    if t.code in RECORDS:
        found = {}
        for f in fields(t):
            inner = value(v[f])
            if f.is_base_class or not f.name:
                found.update({k: x for k, x in inner.items() if k not in found})
            else:
                found[f.name] = inner
        return found
    if t.code == gdb.TYPE_CODE_ARRAY:
        low, high = t.range() if t.sizeof else (0, -1)
        return [value(v[i]) for i in range(low, high + 1)]
    if t.code == gdb.TYPE_CODE_FLT:
        return float(v).hex()
    if t.sizeof > 8:
        data = bytes(gdb.selected_inferior().read_memory(v.address, t.sizeof))
        return int.from_bytes(data, "little", signed=True)
    return int(v)
"""
_LAYOUTS = """
out = {}
for name in json.load(open(%(orders)r)):
    t = strip(gdb.lookup_type(name))
    out[name] = [t.sizeof, layout(t)]
json.dump(out, open(%(answer)r, "w"))
"""
_VALUES = """
gdb.execute("set disable-randomization on")
gdb.execute("break checkpoint")
gdb.execute("run >/dev/null")
gdb.execute("gcore " + %(core)r)
out = {}
for name in json.load(open(%(orders)r)):
    v = gdb.parse_and_eval(name)
    out[name] = [int(v.address), v.type.sizeof, value(v)]
json.dump(out, open(%(answer)r, "w"))
gdb.execute("kill")
"""
_CORE = """
gdb.execute("core-file " + %(core)r, to_string=True)
out = {}
for name in json.load(open(%(orders)r)):
    try:
        v = gdb.parse_and_eval(name)
        if 0 < v.type.sizeof <= 65536:
            out[name] = [int(v.address), value(v)]
    except gdb.error:
        pass  # not in the core, thread-local, incomplete
json.dump(out, open(%(answer)r, "w"))
"""


def _gdb(program: Path, folder: Path, body: str, names: list[str], **more: str) -> dict[str, Any]:
    orders, answer, script = folder / "orders.json", folder / "gdb.json", folder / "types.py"
    orders.write_text(json.dumps(names))
    answer.unlink(missing_ok=True)
    script.write_text(_COMMON + body % {"orders": str(orders), "answer": str(answer), **more})
    command = ["gdb", "-q", "-nx", "-batch", "-x", str(script), str(program)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )
    if not answer.exists():
        if "not permitted" in done.stderr:
            pytest.skip("gdb may not trace processes here")
        raise RuntimeError(done.stdout + done.stderr)
    return dict(json.loads(answer.read_text()))


def layouts(program: Path, folder: Path, names: list[str]) -> dict[str, Any]:
    """{type: [size, [[member path, first bit, width of a bit field or 0, size of its type]]]}."""
    return _gdb(program, folder, _LAYOUTS, names)


def values(program: Path, folder: Path, names: list[str]) -> tuple[Path, dict[str, Any]]:
    """(core at the program's checkpoint(), {expression: [address, size, what is there]})."""
    core = folder / "core"
    return core, _gdb(program, folder, _VALUES, names, core=str(core))


def core_values(program: Path, folder: Path, core: Path, names: list[str]) -> dict[str, Any]:
    """{variable: [address, what is there]} in a core of a guest whose addresses are the program's."""
    return _gdb(program, folder, _CORE, names, core=str(core))


def ptype(program: Path, name: str) -> str:
    """What `ptype /o` prints."""
    command = ["gdb", "-q", "-nx", "-batch", "-ex", f"ptype /o {name}", str(program)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
