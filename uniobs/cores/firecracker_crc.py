"""CRC-64 of Jones (reflected, from 0, as Redis has it), which ends Firecracker's states."""

_POLYNOMIAL = 0x95AC9329AC4BC9B5  # 0xad93d23594c935a9, its bits in reverse


def _row(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
    return value


_TABLE = tuple(_row(value) for value in range(256))


def crc64(data: bytes) -> int:
    crc = 0
    table = _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc
