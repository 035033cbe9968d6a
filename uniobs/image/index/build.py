"""Making an index: a native helper in a process of its own reads the DWARF; if it dies, only it does."""

import os
from functools import cache

from uniobs.errors import UniobsError
from uniobs.image.elf import SHF_COMPRESSED, SHT_NOBITS
from uniobs.lean import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uniobs.image.elf import Elf

_SECTIONS: Final = (
    "info", "abbrev", "line", "str", "line_str", "addr", "str_offsets", "ranges", "rnglists", "aranges",
)  # fmt: skip
_SHARED: Final = ("info", "abbrev", "str", "line_str", "str_offsets")  # what names need of a file dwz made
_CODE_MAX: Final = 1024  # ranges of code that fit a command line


@cache
def helper() -> str | None:
    """The native builder, if it was built with the package: only then there are indexes."""
    path = os.path.join(os.path.dirname(os.path.dirname(__file__)), "native", "symbol-index")
    return path if os.access(path, os.X_OK) else None


class Build:
    """One run of the helper. ``temporary`` and ``final`` are paths, "" for a file without a name."""

    def __init__(self, elf: "Elf", file: int, out: int, key: bytes, temporary: str, final: str) -> None:
        """Starts it. ``file`` is the ELF file, ``out`` where the index goes. Raises OSError, UniobsError."""
        program = helper()
        if program is None:
            raise UniobsError("the symbol index's builder isn't there")
        inflated: list[int] = []
        try:
            arguments = [program, str(out), key.decode("ascii"), temporary, final]
            for name in _SECTIONS:
                section = elf.section(f".debug_{name}")
                if section is None or section.type == SHT_NOBITS or not section.size:
                    continue
                if section.flags & SHF_COMPRESSED:
                    inflated.append(_in_memory(elf.data(section.name)))
                    arguments.append(f"{name}:{inflated[-1]}:0:{len(elf.data(section.name))}")
                else:
                    arguments.append(f"{name}:{file}:{section.offset}:{section.size}")
            shared = elf.supplement
            for name in _SHARED if shared is not None else ():
                data = shared.data(f".debug_{name}") if shared is not None else memoryview(b"")
                if len(data):
                    inflated.append(_in_memory(data))
                    arguments.append(f"sup_{name}:{inflated[-1]}:0:{len(data)}")
            if len(elf.code_ranges) > _CODE_MAX:
                raise UniobsError("its code lies in too many pieces for an index")
            arguments += [f"code:{low}:{high}" for low, high in elf.code_ranges]
            for number in (file, out, *inflated):
                os.set_inheritable(number, True)
            quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
            self.pid = os.posix_spawn(program, arguments, {}, file_actions=quiet)
        finally:
            for number in (file, out):
                os.set_inheritable(number, False)
            for number in inflated:
                os.close(number)
        self._code: int | None = None

    def wait(self, seconds: float) -> int | None:
        """Its exit code, negative for a signal; None: it still runs after that time."""
        if self._code is None and not self._ended():
            try:
                ended = os.pidfd_open(self.pid)
            except OSError:
                return None
            import select

            try:
                poll = select.poll()
                poll.register(ended, select.POLLIN)
                poll.poll(int(seconds * 1000))
            finally:
                os.close(ended)
            self._ended()
        return self._code

    def _ended(self) -> bool:
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # somebody else waited for it
            self._code = 255
            return True
        if pid:
            self._code = os.waitstatus_to_exitcode(status)
        return bool(pid)

    def kill(self) -> None:
        """End it, if it still runs."""
        if self._code is None and not self._ended():
            os.kill(self.pid, 9)
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _in_memory(data: memoryview) -> int:
    file = os.memfd_create("uniobs-section")
    try:
        while len(data):
            data = data[os.write(file, data) :]
    except OSError:
        os.close(file)
        raise
    return file
