"""Evaluating an expression's tree. Its depth is bounded by the parser, what it reads by its types."""

from typing import Final

from uniobs.errors import NotOffered, UnknownMemory
from uniobs.image.types_expr import Nowhere, Operand, decayed, find_type
from uniobs.image.types_expr_lex import ExpressionError
from uniobs.image.types_expr_numbers import CHAR, DOUBLE, ULONG, VOID, array_of, literal, real
from uniobs.image.types_expr_ops import Operators
from uniobs.image.types_expr_parse import Node
from uniobs.image.types_model import NUMBERS, RECORDS, Kind, Type
from uniobs.image.types_value import Value

_MOST: Final = 1 << 16  # elements of a slice


class Evaluator(Operators):
    """For one expression."""

    def run(self, node: Node) -> Operand:
        """Raises ExpressionError at the node whose fault it is; UnknownMemory as it is."""
        try:
            return self._run(node)
        except (ExpressionError, UnknownMemory):
            raise
        except NotOffered as error:
            raise self.fail(str(error), node) from error

    def _run(self, node: Node) -> Operand:
        op = node.op
        if op == "number":
            return self._integer(int(node.number), literal(int(node.number), node.text))
        if op == "float":
            return Operand(real(float(node.number), DOUBLE, self.space), False)
        if op == "char":
            return self._integer(int(node.number), CHAR)
        if op == "string":
            data = node.text.encode() + b"\0"
            return Operand(Value(array_of(CHAR, len(data)), 0, self.space, data), False)
        if op == "name":
            return self._name(node)
        if op == "register":
            thread, _, name = node.text.partition("\0")
            return self._pointer(self.scope.register(thread, name), VOID)
        if op == "it":
            found = self.scope.it()
            if found is None:
                raise self.fail("$it is what a walk or a pipe brings: there is none here", node)
            return found
        if op == "sizeof":
            return self._sizeof(node)
        if op == "cast":
            assert node.type is not None
            return self._cast(find_type(node.type, self.text, self.scope), self.run(node.parts[0]), node)
        if op in ("member", "arrow"):
            return self._member(node)
        if op in ("index", "slice", "@"):
            return self._elements(node)
        if op == "cond":
            return self.run(node.parts[1 if self._truth(node.parts[0]) else 2])
        if op[0] == "u":
            return self._unary(node)
        return self._binary(node)

    # --- names ----------------------------------------------------------------------------------------

    def _name(self, node: Node) -> Operand:
        missing: NotOffered | None = None
        try:
            value = self.scope.variable(node.text)
            return Operand(value, value.address != 0)  # 0: a local one in a register
        except NotOffered as error:
            missing = error
        found = self.scope.symbol(node.text)
        if found is None:
            raise self.fail(str(missing), node)
        address, code = found
        made = Type(VOID.table, Kind.FUNCTION, node.text, None) if code else VOID
        return Operand(Value(made, address, self.space), True)

    def _sizeof(self, node: Node) -> Operand:
        made = find_type(node.type, self.text, self.scope) if node.type else self.run(node.parts[0]).type
        if made.size is None:
            raise self.fail(f"this image doesn't say how large {made} is", node)
        return self._integer(made.size, ULONG)

    # --- places ---------------------------------------------------------------------------------------

    def _deref(self, operand: Operand, node: Node) -> Operand:
        value = decayed(operand).value
        if value.type.kind is not Kind.POINTER:
            raise self.fail(f"{operand.type} is no pointer", node)
        address, target = int(value), value.type.target
        return Operand(Value(target, address, self.space if address else Nowhere(str(target))), True)

    def _member(self, node: Node) -> Operand:
        base = self.run(node.parts[0])
        if base.type.kind is Kind.POINTER:
            base = self._deref(base, node)
        if base.type.kind not in RECORDS:
            raise self.fail(f"{base.type} has no members", node)
        if not base.type.has(node.text):
            from difflib import get_close_matches

            near = get_close_matches(node.text, list(base.type.fields), n=3)
            hint = f": is it {' or '.join(near)}?" if near else ""
            if base.type.size is None:
                raise self.fail(f"this image doesn't say what is in {base.type}", node)
            raise self.fail(f"{base.type} has no member {node.text}{hint}", node)
        return Operand(base.value.member(node.text), base.place)

    def _elements(self, node: Node) -> Operand:
        base = self.run(node.parts[0])
        first = self._whole(node.parts[1])
        if node.op == "@":
            if not base.place:
                raise self.fail("what stands before @ must be in memory", node)
            made = array_of(base.type, self._count(first, node))
            return Operand(Value(made, base.value.address, self.space), True)
        base = self._sequence(base)
        if node.op == "index":
            self._check(base, first, node)
            moved = self._moved(decayed(base), first, node)
            if not base.place:
                return Operand(base.value[first], False)
            return self._deref(moved, node)
        last = self._whole(node.parts[2])
        count = self._count(last - first, node)
        self._check(base, first, node)
        self._check(base, last - 1, node)
        start = self._deref(self._moved(decayed(base), first, node), node)
        return Operand(Value(array_of(start.type, count), start.value.address, start.value.space), True)

    def _sequence(self, base: Operand) -> Operand:
        """A std::vector stands for the array that it holds."""
        value = base.value
        if value.type.kind not in RECORDS or not value.type.has("_M_impl._M_start", "_M_impl._M_finish"):
            return base
        start = value.member("_M_impl._M_start")
        size = start.type.target.size or 0
        count = (int(value.member("_M_impl._M_finish")) - int(start)) // size if size else 0
        return Operand(Value(array_of(start.type.target, max(0, count)), int(start), self.space), True)

    def _count(self, number: int, node: Node) -> int:
        if not 0 < number <= _MOST:
            raise self.fail(f"{number} elements: from 1 to {_MOST} can be asked for", node)
        return number

    def _check(self, base: Operand, index: int, node: Node) -> None:
        """Arrays of one or no element at a struct's end are C's way to say any number."""
        if base.type.kind is not Kind.ARRAY:
            return
        bound = base.type.bounds[0]
        if index < 0 or (bound is not None and index >= bound and (bound > 1 or not base.place)):
            raise self.fail(f"{base.type} has no element {index} (&x[0] + {index} points past it)", node)

    # --- casts ----------------------------------------------------------------------------------------

    def _cast(self, made: Type, operand: Operand, node: Node) -> Operand:
        if made.kind is Kind.VOID:
            return Operand(Value(VOID, operand.value.address, self.space), operand.place)
        if operand.place and (operand.type.kind is Kind.VOID or made.kind in (*RECORDS, Kind.ARRAY)):
            if made.size is None:
                raise self.fail(f"this image doesn't say how large {made} is", node)
            if operand.type.kind is not Kind.VOID and (operand.type.size or 0) < made.size:
                why = f"{operand.type} is smaller than {made} (*({made} *)&x takes it all the same)"
                raise self.fail(why, node)
            return Operand(operand.value.cast(made), True)
        value = decayed(operand).value
        if value.type.kind is Kind.FLOAT and made.kind in NUMBERS - {Kind.POINTER}:
            number = float(value)
            if number != number or abs(number) >= 2.0**127:
                raise self.fail(f"{number} is no {made}", node)
            return self._integer(number != 0 if made.kind is Kind.BOOL else int(number), made)
        self._number(Operand(value, False), node)
        if made.kind is Kind.FLOAT:
            return Operand(real(float(value), made, self.space), False)
        if made.kind not in NUMBERS or not made.size:
            raise self.fail(f"{operand.type} can't be taken as {made}", node)
        return self._integer(int(value) != 0 if made.kind is Kind.BOOL else int(value), made)
