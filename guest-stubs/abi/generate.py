#!/usr/bin/env python3
"""Generate include/uniobs/abi.h and uniobs/region/_abi.py from schema.toml.

``generate.py`` writes both files; ``generate.py --check`` exits 1 when either differs.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
C_OUT = HERE.parent / "include" / "uniobs" / "abi.h"
PY_OUT = HERE.parent.parent / "uniobs" / "region" / "_abi.py"
SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i32": 4, "i64": 8}
CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i32": "i", "i64": "q"}
C_TYPES = {name: f"{'u' if name[0] == 'u' else ''}int{name[1:]}_t" for name in SIZES}
HIDES = {"index": "  # type: ignore[assignment]"}  # a field of that name hides a method of tuple
NOTE = "Generated from guest-stubs/abi/schema.toml by generate.py: change that instead."


def parse_type(text: str) -> tuple[str, int]:
    """Return (base type, array length or 0)."""
    base, _, rest = text.partition("[")
    count = int(rest.rstrip("]")) if rest else 0
    if base not in SIZES or (count and base != "u8"):
        raise SystemExit(f"schema: bad type {text}")
    return base, count


def check(struct: dict[str, Any]) -> list[tuple[str, str, int, int]]:
    """Return (name, base, array length, offset) a field; refuse padding and a wrong size."""
    offset, fields = 0, []
    for name, type_text in struct["fields"]:
        base, count = parse_type(type_text)
        if not count and offset % SIZES[base]:
            raise SystemExit(f"schema: {struct['name']}.{name} at {offset} is not aligned")
        fields.append((name, base, count, offset))
        offset += SIZES[base] * (count or 1)
    if offset != struct["size"]:
        raise SystemExit(f"schema: {struct['name']} is {offset} bytes, not {struct['size']}")
    return fields


def c_text(schema: dict[str, Any]) -> str:
    magic = bytes.fromhex(schema["abi"]["magic"])
    out = [f"/* {NOTE} */", "#ifndef UNIOBS_ABI_H", "#define UNIOBS_ABI_H", "", "#include <stddef.h>",
           "#include <stdint.h>", "", f"#define UNIOBS_MAJOR {schema['abi']['major']}u",
           f"#define UNIOBS_MINOR {schema['abi']['minor']}u",
           "#define UNIOBS_MAGIC { " + ", ".join(f"0x{b:02x}" for b in magic) + " }",
           "#define UNIOBS_LIVE_OFFSET 256u", "#define UNIOBS_DIRECTORY_OFFSET 512u",
           "#define UNIOBS_FRAME_MAGIC 0x46424f55u /* \"UOBF\" */"]
    for enum in schema["enum"]:
        out += ["", f"/* {enum['name']} */"]
        out += [f"#define UNIOBS_{enum['name'].upper()}_{name} {value}" for name, value in enum["values"]]
    for struct in schema["struct"]:
        name = f"struct uniobs_{struct['name']}"
        out += ["", *([f"/* {struct['doc']} */"] if "doc" in struct else []), name + " {"]
        fields = check(struct)
        out += [f"\t{C_TYPES[base]} {field}{f'[{count}]' if count else ''};" for field, base, count, _ in fields]
        out += ["};", f'_Static_assert(sizeof({name}) == {struct["size"]}, "{struct["name"]}");']
        out += [f'_Static_assert(offsetof({name}, {field}) == {offset}, "{struct["name"]}.{field}");'
                for field, _, _, offset in fields]
    return "\n".join([*out, "", "#endif", ""])


def py_text(schema: dict[str, Any]) -> str:
    out = ["# ruff: noqa", f'"""{NOTE}"""', "",
           "from struct import Struct", "from uniobs.lean import Final, NamedTuple", "",
           f"MAGIC: Final = bytes.fromhex(\"{schema['abi']['magic']}\")", f"MAJOR: Final = {schema['abi']['major']}",
           f"MINOR: Final = {schema['abi']['minor']}", "LIVE_OFFSET: Final = 256", "DIRECTORY_OFFSET: Final = 512",
           "FRAME_MAGIC: Final = 0x46424F55"]
    constants = set()
    for enum in schema["enum"]:
        prefix = enum["name"].upper()
        constants |= {f"{prefix}_{name}" for name, _ in enum["values"]}
        out += [""] + [f"{prefix}_{name}: Final = {value}" for name, value in enum["values"]]
        pairs = ", ".join(f'{value}: "{name.lower()}"' for name, value in enum["values"])
        out += [f"{prefix}_NAMES: Final[dict[int, str]] = {{{pairs}}}"]
    for struct in schema["struct"]:
        fields = check(struct)
        cls = "".join(part.capitalize() for part in struct["name"].split("_"))
        const = struct["name"].upper()
        if const in constants:
            const += "_ROW"  # an enum's value has that name
        codes = "".join(f"{count}s" if count else CODES[base] for _, base, count, _ in fields)
        out += ["", "", f"class {cls}(NamedTuple):",
                f'    """{struct.get("doc", "One " + struct["name"] + " row.")}"""', ""]
        out += [f"    {field}: {'bytes' if count else 'int'}{HIDES.get(field, '')}"
                for field, _, count, _ in fields]
        out += ["", "", f'{const}: Final = Struct("<{codes}")', f"{const}_SIZE: Final = {struct['size']}",
                f"{const}_OFFSETS: Final[dict[str, int]] = {{" +
                ", ".join(f'"{field}": {offset}' for field, _, _, offset in fields) + "}"]
    return "\n".join([*out, ""])


def main() -> int:
    schema = tomllib.loads((HERE / "schema.toml").read_text())
    stale = 0
    for path, text in ((C_OUT, c_text(schema)), (PY_OUT, py_text(schema))):
        if "--check" in sys.argv[1:]:
            if not path.exists() or path.read_text() != text:
                print(f"{path.name} differs from the schema: run guest-stubs/abi/generate.py", file=sys.stderr)
                stale = 1
        else:
            path.write_text(text)
    return stale


if __name__ == "__main__":
    raise SystemExit(main())
