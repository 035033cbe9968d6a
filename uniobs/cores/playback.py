"""Playing a recording: its memory as it was at any moment, and from there moment by moment."""

import json
from collections.abc import Iterator
from typing import Any, Final

from uniobs.cores import recording as format
from uniobs.cores.recording import Record, RecordingFile
from uniobs.errors import BadFormat, Incomplete
from uniobs.memory.mirror import Mirror

NOTE_MAX: Final = 1 << 19
NOTES_MAX: Final = 16
RECORDS_MAX: Final = 4 << 20  # from a KEY to a moment


class Playback:
    """``memory`` shows the guest as it was at ``now`` (ns since the epoch); ``notes`` what held then.

    Begins at the last moment. Raises BadFormat, and Incomplete for a recording without a moment.
    """

    def __init__(self, file: RecordingFile) -> None:
        self.file = file
        self.memory = Mirror(live=True)  # its readers must not take what was being written for torn
        self.notes: dict[str, Any] = {}
        self.now = 0
        self._count = 0  # of records since the last KEY
        self._index = 0  # of the chunk after the one that is being played
        self._records: Iterator[Record] = iter(())
        self._next: int | None = None  # the time of the moment that comes next
        if file.first is None or file.last is None:
            raise Incomplete(f"{file.path}: a recording without a moment in it")
        self.seek(file.last)
        if not self.now:
            raise Incomplete(f"{file.path}: a recording without a moment in it")

    def seek(self, when: int) -> None:
        """The moment at ``when``, or the one before; the first when all are later."""
        file = self.file
        index = max(file.index_at(when), 0)
        chunk = file.chunks[index]
        backwards = when < self.now or not self.now
        if backwards or chunk.key != self._key or self._index > index + 1:
            self._begin(file.index_of(chunk.key))
        self._look_on()
        while self._next is not None and (self._next <= when or not self.now):
            self.step()

    def step(self) -> bool:
        """The next moment; False when this was the last one."""
        self._look_on()
        if self._next is None:
            return False
        self.now = self._next
        self._next = None
        self._apply()
        return True

    def _look_on(self) -> None:
        """At the end: what was written since, when the file was extended."""
        if self._next is None and self._index < len(self.file.chunks):
            self._apply()

    @property
    def _key(self) -> int:
        return self.file.chunks[self._index - 1].key if self._index else -1

    def _begin(self, index: int) -> None:
        self.memory.clear()
        self.notes = {}
        self.now = self._count = 0
        for chunk in self.file.base:
            self._records = self.file.records(chunk)
            for record in self._records:
                self._put(record)
        self._records, self._index, self._next = iter(()), index, None
        self._apply()

    def _apply(self) -> None:
        """Take in what was seen until the next moment begins."""
        while True:
            for record in self._records:
                if record.type == format.MOMENT:
                    self._next = self._moment(record.address)
                    return
                self._put(record)
            if self._index >= len(self.file.chunks):
                return
            chunk = self.file.chunks[self._index]
            self._records = self.file.records(chunk)
            self._index += 1
            if chunk.kind == format.KEY:
                self._count = 0

    def _moment(self, when: int) -> int:
        chunk = self.file.chunks[self._index - 1]
        if when < self.now or not when:
            raise BadFormat(f"{self.file.path}: a garbled recording: its time runs backwards")
        if not chunk.first <= when <= chunk.last:
            raise BadFormat(f"{self.file.path}: a garbled recording: a moment outside of its chunk")
        return when

    def _put(self, record: Record) -> None:
        self._count += 1
        if self._count > RECORDS_MAX:
            raise BadFormat(f"{self.file.path}: a garbled recording: more than {RECORDS_MAX} records a key")
        if record.type == format.BYTES:
            self.memory.store(record.address, record.data)
            if self.memory.pages > format.PAGES_MAX:
                raise BadFormat(f"{self.file.path}: a recording of more memory than can be shown")
        elif record.type == format.FORGET:
            self.memory.forget(record.address, record.size)
        elif record.type == format.NOTE:
            self.notes.update(_note(record.data, self.file.path))
            if len(self.notes) > NOTES_MAX:
                raise BadFormat(f"{self.file.path}: a garbled recording: too many notes")


def _note(data: bytes, path: str) -> dict[str, Any]:
    try:
        told = json.loads(data) if len(data) <= NOTE_MAX else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise BadFormat(f"{path}: a garbled recording: a note that can't be read")
    return told

