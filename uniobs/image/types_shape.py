"""A type's layout as pahole prints it: each member with its offset and size, and the holes between them."""

from typing import Any, Final

from uniobs.image.types_model import RECORDS, Kind, Member, Type

_DEEPEST: Final = 4
_INDENT: Final = 8  # structs without a name, inside one another


def layout(made: Type, expand: bool = False) -> list[str]:
    """Lines; ``expand`` opens the structs inside it too. Raises BadFormat."""
    if made.kind is Kind.ENUM:
        values = [f"    {name} = {number}," for number, name in made.enumerators.items()]
        return [f"{made} {{", *values, f"}};  /* size: {_size(made)} */"]
    if made.kind not in RECORDS:
        return [f"{made}  /* size: {_size(made)} */"]
    if made.size is None:
        return [f"{made};  /* this image doesn't say what is in it */"]
    rows = _rows(made, 0, 1, _DEEPEST if expand else 1)
    width = max((len(text) for text, _ in rows), default=0)
    lines = [f"{text:<{width}}  {note}".rstrip() for text, note in rows]
    holes = sum(_holes(made))
    nothing = f", holes: {holes} bytes" if holes else ""
    note = f"/* size: {made.size}, members: {len(made.members)}{nothing} */"
    return [f"{made} {{", *lines, f"}};  {note}"]


def _rows(made: Type, base: int, indent: int, depth: int) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    pad = "    " * indent
    end = 0
    for member in made.members:
        inner = made.table.type_at(member.reference)
        if made.kind is Kind.STRUCT and not member.bits and member.offset > end:
            rows.append((f"{pad}/* {member.offset - end} bytes hole */", ""))
        where = f"/* {_place(base, member):>6} {_size(inner):>5} */"
        unnamed = member.name is None and not member.base
        if inner.kind in RECORDS and (unnamed or inner.name is None or depth > 1) and indent < _INDENT:
            title = "base " if member.base else ""
            named = f"{inner.kind} {inner.name} " if inner.name else f"{inner.kind} "
            rows.append((f"{pad}{title}{named}{{", ""))
            rows += _rows(inner, base + member.offset, indent + 1, max(1, depth - 1))
            rows.append((f"{pad}}}{' ' + member.name if member.name else ''};", where))
        else:
            rows.append((f"{pad}{declared(inner, member.name or '')}{_bits(member)};", where))
        end = max(end, (member.bit + (member.bits or 8 * (inner.size or 0)) + 7) // 8)
    return rows


def _holes(made: Type) -> list[int]:
    found: list[int] = []
    end = 0
    for member in made.members if made.kind is Kind.STRUCT else ():
        if not member.bits and member.offset > end:
            found.append(member.offset - end)
        size = made.table.type_at(member.reference).size or 0
        end = max(end, (member.bit + (member.bits or 8 * size) + 7) // 8)
    if found and made.size is not None and made.size > end:
        return [*found, made.size - end]
    return found


def declared(made: Type, name: str) -> str:
    """ "char name[16]", "struct x *next", "void (*run)()"."""
    stars = ""
    here = made
    for _ in range(16):
        if here.kind is not Kind.POINTER:
            break
        stars += "*"
        here = here.target
    if here.kind is Kind.FUNCTION:
        return f"function ({stars}{name})()" if stars else f"function {name}"
    if here.kind is Kind.ARRAY:
        bounds = "".join(f"[{'' if bound is None else bound}]" for bound in here.bounds)
        while here.kind is Kind.ARRAY:
            here = here.target
        inside = f"({stars}{name})" if stars else name
        return f"{declared(here, '')} {inside}{bounds}".replace("* ", "*")
    return f"{here} {stars}{name}".rstrip()


def _place(base: int, member: Member) -> str:
    return f"{base + member.offset}" + (f":{member.bit % 8}" if member.bits else "")


def _bits(member: Member) -> str:
    return f":{member.bits}" if member.bits else ""


def _size(made: Type) -> str:
    return "?" if made.size is None else str(made.size)


def plain(made: Type) -> dict[str, Any]:
    """The same for JSON: {"name", "kind", "size", "members" or "values"}."""
    answer: dict[str, Any] = {"name": str(made), "kind": str(made.kind), "size": made.size}
    if made.kind is Kind.ENUM:
        answer["values"] = {name: number for number, name in made.enumerators.items()}
    if made.kind in RECORDS:
        answer["members"] = [
            {
                "name": member.name,
                "type": str(made.table.type_at(member.reference)),
                "offset": member.offset,
                "bit": member.bit % 8 if member.bits else None,
                "bits": member.bits or None,
                "size": made.table.type_at(member.reference).size,
                "base": member.base,
            }
            for member in made.members
        ]
    return answer
