"""The sparse mirror against a dictionary of bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uniobs.errors import UnknownMemory
from uniobs.memory.sparse import SparseMemory

STORES = st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=20)), max_size=20)


@given(STORES, st.integers(0, 70), st.integers(0, 30))
def test_as_a_dictionary_of_bytes(stores: list[tuple[int, bytes]], address: int, size: int) -> None:
    memory, model, times = SparseMemory(), {}, {}
    for time, (start, data) in enumerate(stores, 1):
        memory.store(start, data, time)
        model.update({start + i: byte for i, byte in enumerate(data)})
        times.update({start + i: time for i in range(len(data))})
    wanted = range(address, address + size)
    if all(at in model for at in wanted):
        assert memory.read(address, size) == bytes(model[at] for at in wanted)
    else:
        with pytest.raises(UnknownMemory) as caught:
            memory.read(address, size)
        assert (caught.value.address, caught.value.size) == (address, size)
    missing = {at for gap in memory.missing(address, size) for at in range(gap.start, gap.end)}
    assert missing == {at for at in wanted if at not in model}
    held = [at for part in memory.ranges() for at in range(part.start, part.end)]
    assert held == sorted(model)
    assert memory.time_of(address) == times.get(address)
    ends = {part.end for part in memory.ranges()}
    assert not ends & {part.start for part in memory.ranges()}  # neighbours are one range
    memory.clear()
    assert memory.ranges() == []
