"""Orders of columns of numbers, by numpy: it lets other threads run meanwhile."""

from array import array
from collections.abc import Iterator, Sequence
from typing import Any, Final

LEAN: Final = 1 << 21  # rows from which memory is saved
BUCKETS: Final = 12
SLICE: Final = 1 << 20
SAMPLE: Final = 1 << 14


def argsort_array(keys: "array[Any]", known: Sequence[int], falling: bool) -> Any:
    """The order of ``keys``, whole numbers or fractions, of which those at ``known`` count."""
    import numpy as np

    column = np.frombuffer(keys, np.int64 if keys.typecode == "q" else np.float64)
    if isinstance(known, range):
        return argsort(column, falling)
    chosen = np.array(known, np.int64)
    return chosen[argsort(column[chosen], falling)]


def joined(found: Any, last: Any) -> Any:
    import numpy as np

    return np.concatenate([found, np.array(last, np.int64)])


def argsort(column: Any, falling: bool) -> Any:
    """Stable both ways: rows that are equal stay in their order, what is no number comes last. At most
    2^32 rows."""
    import numpy as np

    if column.dtype.kind == "f" and (unknown := np.isnan(column)).any():
        known = np.flatnonzero(~unknown)
        return joined(known[argsort(column[known], falling)], np.flatnonzero(unknown)).astype(np.uint32)
    if len(column) > LEAN:
        return _lean(column, falling)
    return _plain(column, falling).astype(np.uint32)


def _plain(column: Any, falling: bool) -> Any:
    import numpy as np

    if not falling:
        return np.argsort(column, kind="stable")
    return len(column) - 1 - np.argsort(column[::-1], kind="stable")[::-1]


def _lean(column: Any, falling: bool) -> Any:
    """One range of values after the other, so that little is needed beside the column and its order."""
    import numpy as np

    sample = np.sort(column[:: max(len(column) // SAMPLE, 1)])
    edges = np.unique(sample[:: max(len(sample) // BUCKETS, 1)])
    order = np.empty(len(column), np.uint32)
    at = 0
    for low, high in _ranges(list(edges), falling):
        found = _within(column, low, high)
        if low is None or low != high:
            found = found[_plain(column[found], falling)]
        order[at : at + len(found)] = found
        at += len(found)
    return order


def _ranges(edges: list[Any], falling: bool) -> Iterator[tuple[Any, Any]]:
    """(above, below) each, and (edge, edge) for the edges themselves: a value may be that of most rows."""
    found: list[tuple[Any, Any]] = [(None, edges[0])]
    for edge, after in zip(edges, [*edges[1:], None], strict=True):
        found += [(edge, edge), (edge, after)]
    return reversed(found) if falling else iter(found)


def _within(column: Any, low: Any, high: Any) -> Any:
    """The rows in a range, in their order."""
    import numpy as np

    parts = []
    for start in range(0, len(column), SLICE):
        some = column[start : start + SLICE]
        if low is not None and high is not None and low == high:
            wanted = some == low
        else:
            wanted = np.ones(len(some), bool) if low is None else some > low
            if high is not None:
                wanted &= some < high
        parts.append((np.flatnonzero(wanted) + start).astype(np.uint32))
    return np.concatenate(parts)
