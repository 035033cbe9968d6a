"""One fast pass over the entries at the top of each unit (and in namespaces): what a name may stand for."""

from bisect import bisect_right
from collections.abc import Mapping
from typing import Final, NamedTuple

from uniobs.image.dwarf import forms, tags
from uniobs.image.dwarf.info import sibling
from uniobs.image.dwarf.reader import uleb
from uniobs.image.dwarf.unit import AT_NAME, AT_SIBLING, AT_SPECIFICATION, Abbrev, Unit
from uniobs.image.types_names import qualified
from uniobs.image.types_plan import ALL, Entry, Plan, Plans

_TYPE: Final = frozenset({tags.AT_TYPE})
_LONGEST: Final = 4096  # bytes of a name
_PER_NAME: Final = 64  # definitions kept of one name
_MOST: Final = 1 << 22  # names


class _Pending(NamedTuple):
    """What completes a declaration inside something else, which tells its whole name."""

    letter: str
    declaration: int
    entry: Entry
    shape: int


class Scan:
    """Feed it units; ``entries`` holds (letter, qualified name) -> definitions.

    ``work`` counts what garbage could make arbitrarily much of: bytes of text and abbreviations read. It
    stays below ``limit``.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.work = 0
        self._table: tuple[tuple[int, tuple[int, int, int]], dict[int, Abbrev]] | None = None
        self.entries: dict[tuple[str, bytes], list[Entry]] = {}
        self._seen: set[tuple[str, bytes, int, int, int]] = set()
        self._texts: dict[int, bytes] = {}
        self._walked = 0  # bytes of the unit that were looked at for shapes

    def _text(self, unit: Unit, offset: int) -> bytes:
        text = self._texts.get(offset)
        if text is None:
            text = self._texts[offset] = (unit.string((forms.STRP, offset)) or "").encode()
            self._spend(len(text))
        return text

    def _spend(self, work: int) -> None:
        self.work += work
        if self.work > self.limit:
            raise ValueError("names or abbreviations overlap")

    def _share(self, unit: Unit) -> None:
        """Units in a row may use the same abbreviations (type units do): they are read once."""
        key = (unit.abbrev_offset, unit.sizes)
        if self._table is None or self._table[0] != key:
            self._table = key, unit.abbrevs
            self._spend(sum(4 + 2 * len(abbrev.specs) for abbrev in unit.abbrevs.values()))
        else:
            unit.abbrevs = self._table[1]

    def _shape(self, unit: Unit, at: int, plans: "Plans") -> int:
        """A number that differs where the members do; ``at`` is the first of them.

        Headers are compiled into every unit: most definitions of a name are the same one again.
        """
        data = unit.data
        parts: list[object] = []
        first, depth = at, 0
        while True:
            start = at
            code, at = uleb(data, at)
            if not code:
                depth -= 1
                if depth < 0:
                    self._walked += at - first
                    if self._walked > 8 * len(data):
                        raise ValueError("entries overlap")
                    return hash(tuple(parts))
                continue
            plan = plans[code]
            abbrev = plan.abbrev
            if not depth and abbrev.tag == tags.MEMBER and plan.unpack is not None:
                begin = at
                if plan.inline:
                    begin = data.index(0, at) + 1
                    parts.append(data[at:begin])
                parts.append(plan.unpack.unpack_from(data, begin))
            elif not depth and abbrev.tag in (tags.MEMBER, tags.INHERITANCE):
                name, values = self._read(unit, at, start, plan)
                parts.append((name, values.get(tags.AT_MEMBER_LOCATION)))
            if abbrev.children and abbrev.sibling is not None:
                at = sibling(unit, at, abbrev.sibling)
                if at <= start:
                    raise ValueError("an entry's sibling lies before it")
                continue
            begin = at
            for how in abbrev.plan:
                at = at + how if how >= 0 else forms.skip(data, at, how, unit.sizes)
            if abbrev.tag == tags.ENUMERATOR:
                parts.append(data[begin:at])
            depth += abbrev.children

    def _target(self, unit: Unit, start: int, plans: Plans) -> int:
        """As _shape, of a typedef: what it names."""
        place = unit.attributes(start, _TYPE)[1].get(tags.AT_TYPE)
        if place is None or place[0] not in forms.LOCAL_REFS or not isinstance(place[1], int):
            return hash(place)
        code, at = uleb(unit.data, place[1])
        if not code:
            return 0
        plan = plans[code]
        name, values = self._read(unit, at, place[1], plan)
        return hash((plan.abbrev.tag, name, values.get(tags.AT_BYTE_SIZE)))

    def _add(self, letter: str, name: bytes, entry: Entry, shape: int = 0) -> None:
        if not name or len(name) > _LONGEST or b"\n" in name or b"\t" in name:
            return
        if letter != "v":
            key = (letter, name, entry.size, entry.line, shape)
            if key in self._seen:
                return
            self._seen.add(key)
        rows = self.entries.setdefault((letter, name), [])
        if len(rows) < _PER_NAME:
            rows.append(entry)
        if len(self.entries) > _MOST:
            raise ValueError("too many names")

    def _read(self, unit: Unit, at: int, start: int, plan: Plan) -> tuple[bytes, Mapping[int, int]]:
        """(name, attributes) of the entry at ``start`` whose attributes begin at ``at``."""
        values: dict[int, int] = dict(plan.fixed)
        name = b""
        if plan.unpack is None:
            found = unit.attributes(start, ALL)[1]
            for attribute, (form, raw) in found.items():
                if isinstance(raw, int):
                    values[attribute] = raw
                    if form == forms.REF_ADDR:
                        values[attribute] = raw - unit.offset
            text = (unit.string(found.get(AT_NAME)) or "").encode()
            self._spend(len(text))
            return text, values
        if plan.inline:
            end = unit.data.index(0, at)
            name = unit.data[at:end]
            at = end + 1
        values.update(zip(plan.order, plan.unpack.unpack_from(unit.data, at), strict=True))
        if plan.name_form:
            name = self._text(unit, values[AT_NAME])
        return name, values

    def unit(self, unit: Unit) -> None:
        """Raises what reading garbage raises; what was found before stays."""
        data, sizes = unit.data, unit.sizes
        self._walked = 0
        self._share(unit)
        plans = Plans(unit)
        pending: list[_Pending] = []
        records: list[tuple[int, bytes]] = []  # starts of classes: static members are declared in them
        names: dict[int, bytes] = {}  # of what may be completed elsewhere
        scopes = [b""]
        depth, end = -1, len(data)
        at = unit.first
        while at < end:
            start = at
            code = data[at]
            at += 1
            if code >= 0x80:
                code, at = uleb(data, start)
            if not code:
                depth -= 1
                if depth < len(scopes) - 1:
                    if len(scopes) == 1:
                        break
                    scopes.pop()
                continue
            plan = plans[code]
            abbrev = plan.abbrev
            following = 0
            if depth == len(scopes) - 1 and plan.letter:
                name, values = self._read(unit, at, start, plan)
                following = values.get(AT_SIBLING, 0)
                if plan.letter == "n":
                    if abbrev.children and len(scopes) < 64:
                        scopes.append(scopes[-1] + (name or b"(anonymous namespace)") + b"::")
                        following = 0
                else:
                    shape = 0
                    if plan.letter in "sue" and abbrev.children and (name or AT_SPECIFICATION in values):
                        first = at
                        for how in abbrev.plan:
                            first = first + how if how >= 0 else forms.skip(data, first, how, sizes)
                        shape = self._shape(unit, first, plans)
                    elif plan.letter == "t":
                        shape = self._target(unit, start, plans)
                    whole = scopes[-1] + name if name else b""
                    if not values.get(tags.AT_DECLARATION):
                        self._entry(unit, plan, start, whole, values, shape, pending)
                    if plan.letter in "su" and abbrev.children:
                        records.append((start, scopes[-1] + name))
                    if not plan.located:
                        names[start] = scopes[-1] + name if name else b""
            elif abbrev.children and depth >= 0 and abbrev.sibling is not None and plan.letter != "n":
                following = sibling(unit, at, abbrev.sibling)
            if following and abbrev.children:
                if following <= start:
                    raise ValueError("an entry's sibling lies before it")
                at = following
                continue
            for how in abbrev.plan:
                at = at + how if how >= 0 else forms.skip(data, at, how, sizes)
            depth += abbrev.children
            if depth < 0:
                break  # a unit without children
        for letter, declaration, entry, shape in pending:
            name = names.get(declaration) or _inside(unit, declaration, records)
            self._add(letter, name, entry, shape)

    def _entry(
        self,
        unit: Unit,
        plan: Plan,
        start: int,
        name: bytes,
        values: Mapping[int, int],
        shape: int,
        pending: list[_Pending],
    ) -> None:
        entry = Entry(
            unit.offset + start,
            max(0, values.get(tags.AT_BYTE_SIZE, 0)),
            max(0, values.get(tags.AT_DECL_LINE, 0)),
            bool(values.get(tags.AT_EXTERNAL)),
        )
        declaration = values.get(AT_SPECIFICATION)
        if declaration is None:
            self._add(plan.letter, name, entry, shape)
            return
        if plan.letter == "v":
            found = unit.attributes(declaration, frozenset({tags.AT_EXTERNAL}))[1]
            entry = entry._replace(external=tags.AT_EXTERNAL in found)
        pending.append(_Pending(plan.letter, declaration, entry, shape))


def _inside(unit: Unit, declaration: int, records: list[tuple[int, bytes]]) -> bytes:
    """Class::name of what is declared in a class: in the last one that starts before it."""
    if not 0 < declaration < len(unit.data):
        return b""
    at = bisect_right(records, (declaration, b"\xff")) - 1
    start, name = records[at] if at >= 0 else (unit.first, b"")
    inner = qualified(unit, declaration, start)
    return b"::".join(part for part in (name, inner.encode()) if part)
