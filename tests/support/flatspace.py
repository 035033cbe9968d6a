"""An AddressSpace made of a few areas, for stacks written by hand."""

from uniobs.errors import UnknownMemory


class FlatSpace:
    def __init__(self, areas: dict[int, bytes]) -> None:
        self.areas = {start: bytearray(data) for start, data in areas.items()}

    def read(self, address: int, size: int) -> bytes:
        for start, data in self.areas.items():
            if start <= address and address + size <= start + len(data):
                return bytes(data[address - start : address - start + size])
        raise UnknownMemory(address, size)

    def write(self, address: int, value: int) -> None:
        for start, data in self.areas.items():
            if start <= address and address + 8 <= start + len(data):
                data[address - start : address - start + 8] = value.to_bytes(8, "little")
                return
        raise UnknownMemory(address, 8)

    def translate(self, address: int) -> int:
        self.read(address, 1)
        return address
