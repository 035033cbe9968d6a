"""Expressions and printed values, each compared with what gdb prints of the same core."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import build, gdbprint, gdbtypes
from uniobs.cli.shell.scope import GuestScope
from uniobs.cli.shell.values import with_type
from uniobs.errors import NotOffered, UniobsError, UnknownMemory
from uniobs.image.types_expr import Operand, evaluate, is_type
from uniobs.image.types_expr_lex import LONGEST, ExpressionError
from uniobs.image.types_expr_parse import DEEPEST, parse
from uniobs.image.types_shape import layout
from uniobs.image.types_text import Printer, Style
from uniobs.target import open_target

SOURCE = Path(__file__).parents[1] / "guest" / "image" / "shell.c"
PRINTED = """\
tiny;byte_;letter;newline;small;port;number;zero;count;big;huge;half;third;yes;no;now;strange;minus;mode;odd
none;everything;text;buffer;full;row;zeros;runs;grid;grid[1];grid[1][2];points;points[1];points[2].y;words
words[1];second.name;first.state;first.low;first.next->name;*first.next;head;*head;head->next->id
head->next->next;nobody;bits;bits.a;bits.b;bits.wide;bits.s;fn.argument;fn.why;anything;middle;*middle;middle->y
*indirect;**indirect;deep;deep.d1.d2.d3[1].p;items;&items;&number;&points[1];&points[1].y;&head->next->name
loop.next->next->next->next->next;ticks;hidden;*&number;row[1]+row[2];row[4]-10;number/5;number%5;-number;~number
number*2u;count+count;count>number;number<0;huge>>60;huge<<4;1<<31;1ul<<40;big/7;big%1000;7/2;-7/2;-7%2;3.0/2
third*2;half+1;!zero;!number;zero||number;zero&&number;number==-42;number!=-42;letter+1;'a'+1;(char)65
(short)70000;(unsigned char)300;(int)third;(int)half;(unsigned)-1;(long)&zero==(long)&number;(enum state)4
(struct point *)row;*(struct point *)row;*(struct point *)&row[2];((struct point *)row)->y;sizeof(struct node)
sizeof(int);sizeof row;sizeof(struct point *);sizeof(grid)/sizeof(grid[0]);&row[3]-&row[0];*(row+2)
&points[2]-middle;middle==&points[1];head->next==&second;*row@3;points[0]@2;row[0]@5;number>-1?row[1]:row[2];$pc==$rip
now==BLOCKED;first.state==IDLE;(int)now;now+1;mode&F_READ;mode|F_WRITE;0x10+010;1000000000000;4294967295
2147483648;0xffffffff;outside;(long)outside;(char)letter;yes+1;(_Bool)5;1==1.0
*(struct node *)head;&*head;&head->next;(void *)head;(int *)0;1-2u;-1>0u;words[2];0x7fffffff+1
"""
FORMATTED = """\
x number;x row;x points;x huge;x mac;d byte_;u number;o port;t mode;c letter;c row;x mode;a middle
a head->next;x text;d letter;u tiny;x tiny;x letter;z small;x grid;t port;o row;x yes;d now;x now;f third
"""
BYTES = {r'"\377\377\377\377"': "{0xff, 0xff, 0xff, 0xff}", r'"\004\003\002\001"': "{0x4, 0x3, 0x2, 0x1}"}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    build.need("gdb")
    folder = tmp_path_factory.mktemp("shell")
    made = build.compile_c(folder, "shell", [SOURCE], "-g", "-O0", compiler="gcc")
    core, _ = gdbtypes.values(made, folder, [])
    return made, core


@pytest.fixture(scope="module")
def scope(program: tuple[Path, Path]) -> GuestScope:
    target = open_target(str(program[1]), [str(program[0])])
    found = GuestScope(target, lambda: found.threads()[0])
    return found


def words(text: str) -> list[str]:
    return [word for line in text.splitlines() for word in line.split(";")]


def shown(scope: GuestScope, text: str, letter: str = "") -> str:
    """As the shell prints it."""
    operand = evaluate(text, scope)
    found = Printer(Style(letter), scope.symbol_at).text(operand.value)
    return found if letter else with_type(operand, found)


@pytest.mark.timeout(60)
def test_values_print_as_gdb_prints_them(program: tuple[Path, Path], scope: GuestScope) -> None:
    orders = words(PRINTED)
    theirs = gdbprint.printed(*program, [f"p {word}" for word in orders])
    differing = {}
    for word in orders:
        right = theirs[f"p {word}"]
        assert "No symbol" not in right and "syntax error" not in right, (word, right)
        ours = shown(scope, word)
        for octal, bytes_ in BYTES.items():
            right = right.replace(octal, bytes_)  # what gdb takes for text
        if ours != right:
            differing[word] = (ours, right)
    assert differing == {}


@pytest.mark.timeout(60)
def test_formats_are_gdbs(program: tuple[Path, Path], scope: GuestScope) -> None:
    orders = words(FORMATTED)
    theirs = gdbprint.printed(*program, [f"p/{word}" for word in orders])
    ours = {word: shown(scope, word[2:], word[0]) for word in orders}
    assert {w: t for w, t in ours.items() if t != theirs[f"p/{w}"]} == {}, theirs


@pytest.mark.parametrize(
    ("text", "what", "column"),
    [
        ("number +", "ends too early", 8),
        ("", "missing", 0),
        ("number = 3", "nothing is ever written", 7),
        ("run_it(3)", "can't be called", 6),
        ("first.nmae", "no member nmae: is it name", 6),
        ("numbr", "called numbr: is it number", 0),
        ("number.x", "has no members", 7),
        ("*number", "no pointer", 0),
        ("row[5]", "no element 5", 3),
        ("row[-1]", "no element -1", 3),
        ("1/zero", "division by zero", 1),
        ("1 << 64", "a shift of 32 bits", 2),
        ("(struct nonsense *)0", "no type nonsense", 1),
        ("&bits.a", "no address", 6),
        ("&3", "no address", 1),
        ("'", "quote", 0),
        ('"abc', "quote", 0),
        ("a # b", "means nothing", 2),
        ("row[1:9]", "no element 8", 3),
        ("row[3:1]", "-2 elements", 3),
        ("09", "no number", 0),
        ("0x1ffffffffffffffff", "64 bits", 0),
        ("$nosuch", "there is no nosuch", 0),
        ("$it", "none here", 0),
        ("number number", "one word too many", 7),
        ("head + points", "two pointers", 5),
        ("sizeof(struct)", "name of the struct", 13),
        ("~1.5", "whole numbers", 0),
        ("(struct point)number", "smaller", 0),
    ],
)
def test_mistakes_are_pointed_at(scope: GuestScope, text: str, what: str, column: int) -> None:
    with pytest.raises(ExpressionError) as error:
        evaluate(text, scope)
    assert what in str(error.value) and error.value.column == column, (str(error.value), error.value.column)
    line, caret = error.value.pointed
    assert caret.endswith("^") and line[len(caret) - 1 : len(caret)] == text[column : column + 1]


@pytest.mark.parametrize("text", ["head->next->next->id", "*nobody", "nobody->name", "*outside"])
def test_what_null_pointers_point_to_is_unknown(scope: GuestScope, text: str) -> None:
    assert Printer(Style(), scope.symbol_at).text(evaluate(text, scope).value).startswith("<unknown: ")


def test_offsets_are_had_from_null_pointers(scope: GuestScope) -> None:
    assert int(evaluate("(long)&((struct node *)0)->name", scope).value) == 12


def test_texts_are_compared(scope: GuestScope) -> None:
    for text, expected in {
        'second.name == "second"': 1,
        'second.name == "secon"': 0,
        'second.name != "third"': 1,
        '"because" == fn.why': 1,
        'words[2] == "x"': 0,
    }.items():
        assert int(evaluate(text, scope).value) == expected, text


def test_slices(scope: GuestScope) -> None:
    assert shown(scope, "row[1:4]") == "{2, 3, 4}"
    assert shown(scope, "middle[0:2]") == shown(scope, "points[1:3]")
    assert shown(scope, "mac") == "{0x52, 0x54, 0x0, 0x12, 0x34, 0x56}"
    assert shown(scope, "title") == '"words"' and shown(scope, "raw") == r'"\001\002\003\000x"'


def test_pointers_are_followed_and_cycles_said(scope: GuestScope) -> None:
    text = Printer(Style(follow=4), scope.symbol_at).text(evaluate("loop", scope).value)
    assert text.count("-> cycle") == 1 and text.count("->") == 2, text
    text = Printer(Style(follow=1), scope.symbol_at).text(evaluate("first", scope).value)
    assert 'name = "second"' in text and "next = 0x0" in text


def test_printing_is_bounded(scope: GuestScope) -> None:
    assert shown(scope, "zeros") == "{0 <repeats 300 times>}"
    many = Printer(Style(parts=8), scope.symbol_at).text(evaluate("deep", scope).value)
    assert "..." in many and many.count("\n") < 40
    shallow = Printer(Style(depth=2), scope.symbol_at).text(evaluate("deep", scope).value)
    assert "{...}" in shallow
    wide = Printer(Style(), scope.symbol_at).text(evaluate("number@65536", scope).value)
    assert len(wide) < 20_000 and wide.endswith(", ...}")
    beyond = evaluate("(&number)[16384:16390]", scope).value  # past what the core holds
    assert Printer(Style(), scope.symbol_at).text(beyond).startswith("{<unknown: ")


def test_layouts(scope: GuestScope) -> None:
    lines = layout(evaluate("first", scope).type)
    assert lines[0] == "struct node {" and lines[-1].startswith("};") and "size: 40" in lines[-1]
    text = "\n".join(lines)
    assert "char name[12];" in text and "struct node *next;" in text and "unsigned char bytes[4];" in text
    bits = "\n".join(layout(evaluate("bits", scope).type))
    assert "wide:40;" in bits and "0:3" in bits
    assert "    READY = 4," in layout(evaluate("now", scope).type)


class Nothing:
    """A scope without names, over memory of which nothing is held."""

    space = property(lambda self: self)

    def translate(self, address: int) -> int:
        raise AssertionError("nothing is translated")

    def read(self, address: int, size: int) -> bytes:
        raise UnknownMemory(address, size)

    def variable(self, name: str) -> object:
        raise NotOffered(f"no variable {name}")

    type = variable

    def symbol(self, name: str) -> None:
        return None

    def register(self, thread: str, name: str) -> int:
        return 5

    def it(self) -> Operand | None:
        return None


@given(st.text(st.sampled_from("ab$.->[]()*&+-/%<>=!?:@~^|,'\"0x19 \\\x00\xe9struct sizeof(int)")))
@settings(max_examples=400, deadline=None)
def test_garbage_is_an_error_or_a_value(text: str) -> None:
    scope = Nothing()
    try:
        operand = evaluate(text, scope)
        Printer(Style(), lambda address: None).text(operand.value)
    except UniobsError:
        return


@pytest.mark.parametrize(
    "text",
    ["(" * 5000 + "1", "-" * 4000 + "1", "1" + "+1" * 1500, "a" + ".b" * 1500, "a" + "[0" * 1000,
     "(int)" * 700 + "1", "1?" * 1000, "sizeof " * 500 + "1", "*" * LONGEST, "x" * (LONGEST + 1)],
)  # fmt: skip
def test_nesting_is_bounded(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text, lambda name: False)


def test_as_deep_as_is_allowed_works() -> None:
    deep = "(" * (DEEPEST - 2) + "1" + ")" * (DEEPEST - 2)
    assert int(evaluate(deep, Nothing()).value) == 1
    many = "1" + "+1" * (DEEPEST - 2)
    assert int(evaluate(many, Nothing()).value) == DEEPEST - 1


def test_a_name_is_a_type_unless_it_is_a_variable(scope: GuestScope) -> None:
    assert is_type(scope, "uint8_t") and is_type(scope, "int")
    assert not is_type(scope, "number") and not is_type(scope, "nothing")
