"""::whatis: everything that is known of an address."""

from uniobs.cli.shell.memory import place_of
from uniobs.cli.shell.owners import in_stack, thread_at
from uniobs.cli.shell.state import Shell
from uniobs.cli.shell.table import Call, command
from uniobs.errors import EXIT_INCOMPLETE, EXIT_OK, UniobsError, UsageError
from uniobs.image.demangle import display
from uniobs.image.types_expr import Operand
from uniobs.image.types_expr_numbers import VOID, integer, pointer_to
from uniobs.image.types_model import RECORDS, Kind, Type
from uniobs.model.where import where


@command(
    "whatis",
    "ADDR::whatis   ::whatis EXPR",
    "what lies at an address: function and line, variable and member, whose stack, which lock",
    completes="expression",
    group="values",
)
def whatis(shell: Shell, call: Call) -> int:
    address = place_of(shell, call)
    if address is None:
        raise UsageError("what is what? 0x1234::whatis, ::whatis $rsp")
    facts = list(_facts(shell, address))
    if shell.out.json:
        shell.object("whatis", [{"address": address, "facts": facts}], complete=bool(facts))
    else:
        for fact in facts:
            shell.out.line(f"{address:#x} {fact}")
    if not facts:
        shell.out.notice(f"nothing is known of {address:#x}")
    return EXIT_OK if facts else EXIT_INCOMPLETE


def _facts(shell: Shell, address: int) -> list[str]:
    found: list[str] = []
    for look in (_code, _variable, _thread, _lock, _region, _section, _page):
        try:
            found += look(shell, address)
        except UniobsError:
            continue
    return found


def _code(shell: Shell, address: int) -> list[str]:
    for module in shell.target.modules:
        found = module.function(address)
        if found is not None:
            place = where(shell.target, address)
            offset = f"+{address - found[1]:#x}" if address != found[1] else ""
            text = f"is {display(found[0])}{offset}, code of {module.name}"
            if place is not None and place.file and place.line:
                text += f", {place.file.rsplit('/', 1)[-1]}:{place.line}"
            if place is not None and place.inlined:
                text += f" ({place.function} inlined)"
            return [text]
    return []


def _variable(shell: Shell, address: int) -> list[str]:
    for module in shell.target.modules:
        found = module.variable_at(address)
        if found is None:
            continue
        name, start, size = found
        offset = address - start
        shown = display(name)
        text = f"is {shown}{f'+{offset:#x}' if offset else ''}, {size} bytes of data of {module.name}"
        try:
            value = shell.scope.variable(f"{module.name}::{name}")
        except UniobsError:
            return [text]
        path, kind = member_path(value.type, offset) if value.address == start else ("", None)
        return [f"{text}: {shown}{path} ({kind})" if kind is not None else text]
    return []


def member_path(made: Type, offset: int) -> tuple[str, Type | None]:
    """(".owner", its type) of the innermost member that starts at an offset, or holds it."""
    path = ""
    for _ in range(32):
        if made.kind is Kind.ARRAY and made.target.size:
            index, offset = divmod(offset, made.target.size)
            path, made = f"{path}[{index}]", made.target
        elif made.kind in RECORDS and offset >= 0:
            inside = [
                member
                for member in made.members
                if member.offset <= offset < member.offset + (made.table.type_at(member.reference).size or 0)
            ]
            if not inside:
                break
            member = inside[0]
            path += f".{member.name}" if member.name else ""
            offset, made = offset - member.offset, made.table.type_at(member.reference)
        else:
            break
    return (f"{path} + {offset}" if offset else path), made


def _thread(shell: Shell, address: int) -> list[str]:
    for thread in shell.scope.threads():
        if not thread.torn and in_stack(thread, address):
            low, high, sp = thread.stack_lo or 0, thread.stack_hi or 0, thread.saved_sp
            text = f"is in the stack of thread {thread.tid} {thread.name or ''} ({low:#x}-{high:#x})"
            if sp is not None and low <= sp < high:
                side = "above" if address >= sp else "below (unused)"
                text += f", {abs(address - sp)} bytes {side} its stack pointer"
            return [text]
    operand = Operand(integer(address, pointer_to(VOID), shell.scope.space), False)
    owner = thread_at(shell.scope, operand)
    if owner is None:
        return []
    return [f"is the struct of thread {owner.tid} {owner.name or ''} (its saved stack pointer is in it)"]


def _lock(shell: Shell, address: int) -> list[str]:
    for lock in shell.target.walker("locks").locks():
        if lock.address == address and not lock.torn:
            owner = f", held by thread {lock.owner_tid}" if lock.owner_tid else ""
            waiting = f", {lock.waiters} waiting" if lock.waiters else ""
            return [f"is the {lock.kind or 'lock'} {lock.name or ''}{owner}{waiting}".replace(" ,", ",")]
    return []


def _region(shell: Shell, address: int) -> list[str]:
    region = shell.target.region
    if region is None:
        return []
    start, size = region.header.self_va, region.header.size
    if not start <= address < start + size:
        return []
    return [f"is in the stub's region ({start:#x}-{start + size:#x})"]


def _section(shell: Shell, address: int) -> list[str]:
    for module in shell.target.modules:
        for segment in module.elf.segments:
            low = segment.vaddr + module.bias
            if segment.type == 1 and low <= address < low + segment.memsz:
                bits = (("r", 4), ("w", 2), ("x", 1))
                rights = "".join(char if segment.flags & bit else "-" for char, bit in bits)
                return [f"is in a segment of {module.name} ({low:#x}-{low + segment.memsz:#x} {rights})"]
    return []


def _page(shell: Shell, address: int) -> list[str]:
    try:
        physical = shell.scope.space.translate(address)
    except UniobsError:
        return ["isn't mapped"]
    held = _held(shell, address)
    if physical == address:
        return [] if held else ["isn't in this memory"]
    return [f"is physical {physical:#x}{'' if held else ', which is not in this memory'}"]


def _held(shell: Shell, address: int) -> bool:
    try:
        shell.scope.space.read(address, 1)
    except UniobsError:
        return False
    return True
