"""QEMU's monitor (QMP) on a unix socket: status, registers, stop and cont, dumps.

Source: docs/interop/qmp-spec.txt of QEMU. One client at a time: who comes second gets no greeting.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from uniobs.channel.unix import Busy, connect_unix
from uniobs.errors import NotOffered, TargetError
from uniobs.lean import Any
from uniobs.model.guest import Registers

GREETING_TIMEOUT = 0.2
ANSWER_TIMEOUT = 5.0
LINE_MAX = 16 << 20
IN_USE = "unknown (QMP in use)"

_NUMBERS = re.compile(r"\b(R[A-D]X|R[SD]I|R[SB]P|R\d+|RIP|RFL|CR[0-4]|EFER)\s*=\s*([0-9a-fA-F]+)")
_SEGMENTS = re.compile(r"^([CDEFGS]S|LDT|TR)\s*=\s*([0-9a-fA-F]{4}) ([0-9a-fA-F]{8,16})", re.MULTILINE)
_TABLES = re.compile(r"^(GDT|IDT)=\s+([0-9a-fA-F]{8,16})", re.MULTILINE)
_HALTED = re.compile(r"\bHLT=([01])")
_CPU = re.compile(r"^CPU#(\d+)", re.MULTILINE)
_AARCH64 = re.compile(r"\b(PC|SP|PSTATE|X)(\d\d)?=([0-9a-f]{8,16})")
_ALIASES = {"rfl": "rflags"}


class Qmp:
    """A connection. Raises NotOffered when somebody else holds it, TargetError when it breaks."""

    def __init__(self, path: str, timeout: float = GREETING_TIMEOUT) -> None:
        try:
            self._socket = connect_unix(path, timeout)
        except Busy:
            raise NotOffered(IN_USE) from None
        self._buffer = b""
        self._id = 0
        try:
            greeting = self._line(time.monotonic() + timeout)
            if greeting is None:
                raise NotOffered(IN_USE)
            if not isinstance(greeting.get("QMP"), dict):
                raise TargetError(f"{path} isn't a QMP socket")
            self.call("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def call(
        self, command: str, timeout: float = ANSWER_TIMEOUT, arguments: dict[str, Any] | None = None
    ) -> Any:
        """The answer's "return". Raises TargetError for an error answer, silence or nonsense."""
        self._id += 1
        request = {"execute": command, "arguments": arguments or {}, "id": self._id}
        try:
            self._socket.settimeout(timeout)
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise TargetError(f"QMP: {error.strerror or error}") from None
        end = time.monotonic() + timeout
        while (answer := self._line(end)) is not None:
            if answer.get("id") != self._id:
                continue  # an event, or the answer to what timed out before
            if "error" in answer:
                refusal = answer["error"]
                text = refusal.get("desc") if isinstance(refusal, dict) else None
                raise TargetError(f"QMP {command}: {text or 'refused'}")
            return answer.get("return")
        raise TargetError(f"QMP {command}: no answer within {timeout:g} s")

    def status(self) -> str:
        """query-status: "running", "paused", "shutdown", "guest-panicked"..."""
        answer = self.call("query-status")
        status = answer.get("status") if isinstance(answer, dict) else None
        if not isinstance(status, str):
            raise TargetError("QMP query-status: an answer without a status")
        return status[:64]

    def monitor(self, line: str) -> str:
        answer = self.call("human-monitor-command", arguments={"command-line": line})
        return answer if isinstance(answer, str) else ""

    def registers(self) -> list[Registers]:
        """Of each vCPU, as far as QEMU's text gives them."""
        found = parse_registers(self.monitor("info registers -a"))
        if not found:
            raise TargetError("QMP: QEMU's answer holds no registers")
        return found

    def host_address(self, physical: int) -> int | None:
        """Where guest-physical memory lies in the VMM; None when it is no RAM."""
        match = re.search(r" is (0x[0-9a-f]{1,16})\s*$", self.monitor(f"gpa2hva {physical:#x}"))
        return int(match[1], 16) if match else None

    def stop(self) -> None:
        self.call("stop")

    def cont(self) -> None:
        self.call("cont")

    def dump(self, path: str, timeout: float = 600.0, form: str = "elf") -> None:
        """A core with paging:false, written by QEMU itself: ``path`` is a name in its root.

        ``form``: "elf", or "kdump-zlib", which only some machines offer (x86 and arm do).
        """
        arguments = {"paging": False, "protocol": f"file:{path}", "detach": False, "format": form}
        self.call("dump-guest-memory", timeout, arguments)

    def close(self) -> None:
        self._socket.close()

    def _line(self, end: float) -> dict[str, Any] | None:
        """The next object; None when time is over. Raises TargetError when the other side is gone."""
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if newline:
                self._buffer = rest
                try:
                    value = json.loads(line)
                except (ValueError, RecursionError):
                    raise TargetError("QMP: an answer that is no JSON") from None
                if isinstance(value, dict):
                    return value
                continue
            left = end - time.monotonic()
            if left <= 0:
                return None
            try:
                self._socket.settimeout(left)
                data = self._socket.recv(65536)
            except TimeoutError:
                return None
            except OSError as error:
                raise TargetError(f"QMP: {error.strerror or error}") from None
            if not data:
                raise TargetError("QMP: the VMM closed the connection")
            self._buffer += data
            if len(self._buffer) > LINE_MAX:
                raise TargetError("QMP: an answer that doesn't end")


@contextmanager
def opened(path: str) -> Iterator[Qmp]:
    """A connection for as short as possible: others may want it."""
    qmp = Qmp(path)
    try:
        yield qmp
    finally:
        qmp.close()


def parse_registers(text: str) -> list[Registers]:
    """QEMU's "info registers -a". A vCPU in 16- or 32-bit mode gives only what is named alike."""
    marks = list(_CPU.finditer(text))
    found = []
    for index, mark in enumerate(marks):
        end = marks[index + 1].start() if index + 1 < len(marks) else len(text)
        part = text[mark.end() : end]
        values: dict[str, int] = {}
        for name, number in _NUMBERS.findall(part):
            key = name.lower()
            values[_ALIASES.get(key, key)] = int(number, 16)
        if "PSTATE=" in part:
            for name, index, number in _AARCH64.findall(part):
                values[name.lower() + (str(int(index)) if index else "")] = int(number, 16)
        for name, selector, base in _SEGMENTS.findall(part):
            key = name.lower()
            values[key] = int(selector, 16)
            values[f"{key}_base"] = int(base, 16)
        for name, base in _TABLES.findall(part):
            values[f"{name.lower()}_base"] = int(base, 16)
        if (halted := _HALTED.search(part)) is not None:
            values["halted"] = int(halted[1])
        found.append(Registers(values, "QMP", int(mark[1])))
    return found
