"""Names and lines of addresses on a big ELF file: the index's making and opening, and answers a second.

The file is $UNIOBS_BENCH_ELF, or the largest of a debug build of Python and the debug files installed here.
"""

import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import boot
from tests.bench.measure import Figure, paired, single
from tests.support import symbolindex
from uniobs.image.frames import SourceFrame
from uniobs.image.index import build
from uniobs.image.index.format import SymbolIndex
from uniobs.image.module import Module
from uniobs.image.opened import Opened

ADDRESSES = 50_000
OF_TOOLS = 20_000  # to programs, through a pipe


def main() -> int:
    """Print the table."""
    if build.helper() is None:
        print("symbols: the native indexer isn't built here")
        return 0
    path = subject()
    size = path.stat().st_size / 1e6
    print(f"symbols of {path.name}, {size:.1f} MB; {ADDRESSES:,} random addresses in CPU time")
    with tempfile.TemporaryDirectory(prefix="uniobs-bench-") as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        for figure in figures(path):
            print(figure.line(), flush=True)
    return 0


def subject() -> Path:
    named = os.environ.get("UNIOBS_BENCH_ELF")
    if named:
        return Path(named)
    found = [*Path("/usr/bin").glob("python3.*-dbg"), *Path("/usr/lib/debug").rglob("*.debug"), boot.ELF]
    return max((path.resolve() for path in found if path.is_file()), key=lambda path: path.stat().st_size)


def figures(path: Path) -> Iterator[Figure]:
    from symbolic import Archive, SymCache

    opened = Opened(path)
    cache = Archive.open(str(path)).get_object(arch="x86_64").make_symcache()
    yield paired(
        "make the index", "ms", lambda: making(opened), "symbolic", lambda: by_symbolic(path), 5,
        "budget ratio 1.5",
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="uniobs-bench-") as folder:
        kept = Path(folder) / "symcache"
        with open(kept, "wb") as file:
            cache.dump_into(file)
        module = Module.load(path)
        keeper = module._keeper
        if keeper is None or keeper.get(60) is None:
            raise RuntimeError(f"{path}: no index")
        yield paired(
            "open the kept index, first answer", "us", lambda: opening(path), "symbolic",
            lambda: timed(lambda: SymCache.open(str(kept)).lookup(0x1000)) * 1e6,
        )  # fmt: skip
    addresses = sample(module, ADDRESSES)
    few = addresses[:OF_TOOLS]
    known = Module.load(path)
    known.symbolise_many(addresses)

    def lookups() -> float:
        return each(lambda: [cache.lookup(address) for address in addresses])

    def again() -> float:
        return each(lambda: [known.symbolise(address) for address in addresses])

    def first() -> float:
        return fresh(path, addresses)

    yield paired("an address, nothing cached", "us", first, "symbolic", lookups, 5, "budget 5 us")
    yield paired("an address asked before", "us", again, "symbolic", lookups, 5, "budget 1 us")
    yield single("... many in one call", "us", lambda: each(lambda: known.symbolise_many(addresses)), 5)
    for tool in (
        ("llvm-symbolizer", f"--obj={path}", "--inlines", "--no-demangle"),
        ("addr2line", "-e", str(path), "-i", "-f"),
    ):
        if subprocess.run(["which", tool[0]], capture_output=True, check=False).returncode == 0:
            yield paired(
                f"{OF_TOOLS:,} addresses, nothing cached",
                "ms",
                lambda: fresh(path, few) * OF_TOOLS / 1e3,
                tool[0],
                lambda tool=tool: piped(tool, few),
                1,
            )


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def busy(run: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    start = time.process_time()
    run()
    return time.process_time() - start


def each(run: Callable[[], object]) -> float:
    """CPU microseconds an address."""
    return busy(run) / ADDRESSES * 1e6


def making(opened: Opened) -> float:
    """A process of its own, from its start to its end; sections that are compressed are inflated anew."""
    opened.elf._sections.clear()
    return timed(lambda: symbolindex.index_of(opened)) * 1e3


def by_symbolic(path: Path) -> float:
    from symbolic import Archive

    return timed(lambda: Archive.open(str(path)).get_object(arch="x86_64").make_symcache()) * 1e3


def opening(path: Path) -> float:
    opened = Opened(path, symbolindex.identity(path))
    keeper = opened.keeper

    def run() -> None:
        index = keeper.get()
        if not isinstance(index, SymbolIndex):
            raise RuntimeError("no index")
        index.find(0x1000)

    return timed(run) * 1e6


def sample(module: Module, count: int) -> list[int]:
    rng = random.Random(1)
    functions = [(start, size) for start, size, _ in module.elf.symbols.functions() if size]
    chosen = rng.choices(functions, weights=[size for _, size in functions], k=count)
    return [start + rng.randrange(size) for start, size in chosen]


def fresh(path: Path, addresses: Sequence[int]) -> float:
    """CPU microseconds an address, by a module that knows nothing yet; its index is opened anew too."""
    opened = Opened(path, symbolindex.identity(path))
    module = Module(opened, str(path))
    _ = opened.elf.symbols, opened.elf.code_ranges
    found: list[tuple[SourceFrame, ...]] = []
    spent = busy(lambda: found.extend(module.symbolise_many(addresses)))
    if not all(found):
        raise RuntimeError("an address of a function without an answer")
    return spent / len(addresses) * 1e6


def piped(tool: tuple[str, ...], addresses: Sequence[int]) -> float:
    """CPU milliseconds of the program, from its start to its end."""
    with tempfile.TemporaryFile() as file:
        file.write("".join(f"{address:#x}\n" for address in addresses).encode())
        file.seek(0)
        process = subprocess.Popen(tool, stdin=file, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{tool[0]} ended with {process.returncode}")
    return (usage.ru_utime + usage.ru_stime) * 1e3
