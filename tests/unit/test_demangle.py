"""Readable names, beside c++filt where it knows the language, and under hostile names."""

import resource
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.build import compile_c
from support.cli import uniobs
from uniobs.image import demangle
from uniobs.image.module import Module

NAMES = {
    "_ZN2ns2fnEi": ("ns::fn", "ns::fn(int)"),
    "_ZNK2ns3box3getEv": ("ns::box::get", "ns::box::get() const"),
    "_ZN2ns4waitEv.part.0": ("ns::wait", "ns::wait() [clone .part.0]"),
    "_ZN2ns4waitEv.isra.0.cold": ("ns::wait", "ns::wait() [clone .isra.0] [clone .cold]"),
    "_Z3fooIiEvT_": ("foo<int>", "void foo<int>(int)"),
    "_ZN1acvbEv": ("a::operator bool", "a::operator bool()"),
    "_ZN1aplERKS_": ("a::operator+", "a::operator+(a const&)"),
    "_ZThn8_N1a1fEv": ("non-virtual thunk to a::f", "non-virtual thunk to a::f()"),
    "_ZN4core9panicking5panic17h0123456789abcdefE": ("core::panicking::panic",) * 2,
    "_ZN44_$LT$$RF$T$u20$as$u20$core..fmt..Display$GT$3fmt17h8b24ad449ac4f1a6E": (
        "<&T as core::fmt::Display>::fmt",
    )
    * 2,
    "_ZN3std12default_hook28_$u7b$$u7b$closure$u7d$$u7d$17h0041bf19f93b0994E": (
        "std::default_hook::{{closure}}",
    )
    * 2,
    "hermit__ZN6hermit9scheduler5TASKS17h0123456789abcdefE": ("hermit::scheduler::TASKS",) * 2,
    "_RNvCsbmNqQUJIY6D_7mycrate3foo": ("mycrate::foo",) * 2,
    "camlDune__exe__Main.loop_1234": ("Main.loop",) * 2,
    "camlDune__exe__Main__loop_1234": ("Main.loop",) * 2,
    "camlStdlib__List.iter_330": ("Stdlib.List.iter",) * 2,
    "camlMain__fun_42": ("Main.fun_42",) * 2,
    "camlUnikernel__start_12_code": ("Unikernel.start",) * 2,
    "camlMain__x$27_7": ("Main.x'",) * 2,
}
PLAIN = "main caml_alloc_string camlFoo foo.part.0 _start _R _Z _Zfoo Z3fooi __Z3fooi".split()


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    assert (demangle.display(name), demangle.full(name)) == NAMES[name]
    assert demangle.mangled(name)


@pytest.mark.parametrize("name", PLAIN)
def test_other_names_stay(name: str) -> None:
    assert demangle.display(name) == demangle.full(name) == name


def test_the_function_itself() -> None:
    for name, bare in {
        "sched::thread::wait": "wait",
        "<&T as core::fmt::Debug>::fmt": "fmt",
        "std::rt::begin::{{closure}}": "begin",
        "a::b<c::d<e>>::f": "f",
        "main": "main",
        "a::~a": "~a",
        "a<": "a<",
    }.items():
        assert demangle.bare(name) == bare


def test_long_names_lose_their_template_arguments_first() -> None:
    waits = "sched::thread::do_wait_until<sched::noninterruptible, waiter::wait(sched::timer*)::'lambda'()>"
    assert demangle.brief(waits) == "sched::thread::do_wait_until<...>"
    assert demangle.brief(waits, 200) == waits
    assert demangle.brief("a<int>::b<" + "c, " * 40 + "d>::e") == "a<int>::b<...>::e"
    for odd in ("operator<", "operator>", "operator->", "a<b", "a>b<c"):
        text = demangle.brief(odd + "x" * 200)
        assert text.startswith(odd) and len(text) == 192 and text.endswith("...")
    plain = "a_function_of_c_with_a_name_that_says_very_much_about_what_it_does"
    assert demangle.brief(plain) == plain


def test_arguments_that_repeat_much_dont_hide_the_name() -> None:
    name = (
        "_ZSt10__invoke_rIvRZN6memory9page_pool2l2C4EvEUlvE_JEENSt9enable_ifIXsrSt6__and_IJSt7is_voidIT_ESt14__is_"
        "invocableIT0_JDpT1_EEEE5valueES8_E4typeEOSB_DpOSC_"
    )
    assert demangle.display(name) == "std::__invoke_r<void, memory::page_pool::l2::l2()::'lambda'()&>"


def test_beside_cxxfilt() -> None:
    """Every mangled name of a C++ program of the system's: the same, but for spelling of lambdas and >>."""
    if shutil.which("c++filt") is None:
        pytest.skip("c++filt isn't installed")
    import pycxxfilt

    library = Path(pycxxfilt.__path__[0]) / "_cxxfilt.abi3.so"
    names = [name for _, _, name in Module.load(library).elf.symbols.functions() if name.startswith("_Z")]
    if not names:
        names = [name for name in NAMES if name.startswith("_Z")]
    done = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
    checked = 0
    for name, theirs in zip(names, done.stdout.splitlines(), strict=True):
        if "17h" in name or "lambda" in theirs or "'lambda" in demangle.full(name):
            continue
        assert demangle.full(name).replace("> >", ">>") == theirs.replace("> >", ">>"), name
        checked += 1
    assert checked >= 5


def bomb(size: int) -> str:
    """A name each part of which repeats all before it."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    parts = []
    for number in range(1, size + 1):
        at = 2 * number - 1
        parts.append("1cIS" + (digits[at // 36] if at >= 36 else "") + digits[at % 36] + "_E")
    return "_ZN1aI1bE" + "".join(parts) + "E"


HOSTILE = {
    "deep pointers": "_Z1f" + "P" * 900 + "i",
    "deeper pointers": "_Z1f" + "P" * 15000 + "i",
    "deepest pointers": "_Z1f" + "P" * 3_000_000 + "i",
    "functions": "_Z1f" + "F" * 1000,
    "templates": "_ZN" + "1aI" * 300 + "1b" + "E" * 301,
    "small bomb": bomb(14),
    "bomb": bomb(34),
    "packs": "_Z1fI" + "J" + "i" * 200 + "EEv" + "Dp" * 6 + "T_",
    "rust": "_RINvC1a1b" + "S" * 900,
    "rust back references": "_RNvC1a1b" + "B_" * 400,
    "ocaml": "camlA" + "__b" * 400_000,
    "locals": "_ZZ" * 500,
    "surrogates": "_Z3f\udcff\udc80i",
    "nul": "_Z3fo\0i",
    "dots": "_Z1fv" + ".a" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_names(name: str) -> None:
    began = time.process_time()
    for text in (demangle.display(name), demangle.full(name)):
        assert 0 < len(text) <= demangle.LONGEST
        demangle.bare(text)
    assert time.process_time() - began < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 << 20


@pytest.mark.parametrize("filler", ["_", "__b", "_1", "$2e"])
def test_many_hostile_names_of_one_image(filler: str) -> None:
    """A pattern that goes back and forth would take seconds for each of them."""
    began = time.process_time()
    for number in range(64):
        demangle.display(f"camlA{number}" + filler * (16_000 // len(filler)) + "\1")
    assert time.process_time() - began < 5


def test_only_so_many_names_get_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demangle, "_children", demangle._CHILDREN_MAX)
    name = "_Z1f" + "P" * 2000 + "j"
    assert demangle.full(name) == name[: demangle.LONGEST - 3] + "..."
    monkeypatch.setattr(demangle, "_children", 0)
    demangle.full.cache_clear()
    assert demangle.full(name).startswith("f(unsigned int***")


@given(st.one_of(st.text(max_size=40), st.text("_ZNSEIKR0123456789aBDTpiv.$", max_size=60).map("_Z".__add__)))
@settings(max_examples=300, deadline=None)
def test_any_name(name: str) -> None:
    assert len(demangle.display(name)) <= demangle.LONGEST
    demangle.bare(demangle.full(name))


SOURCE = """
namespace shop { template <typename T> struct cart { T total; __attribute__((noinline)) T add(T one); }; }
template <typename T> T shop::cart<T>::add(T one) { total += one; return total; }
namespace shop { inline __attribute__((always_inline)) int twice(int x) { return x * 2; } }
int main(int argc, char **) { shop::cart<int> c{0}; return shop::twice(c.add(argc)); }
"""


def test_a_programs_frames(tmp_path: Path) -> None:
    (tmp_path / "shop.cc").write_text(SOURCE)
    path = compile_c(tmp_path, "shop", [tmp_path / "shop.cc"], "-O1", "-g", compiler="g++")
    module = Module.load(path)
    start = (module.symbol("_ZN4shop4cartIiE3addEi") or (0, 0))[0]
    (frame,) = module.symbolise(start)
    assert frame.function == "shop::cart<int>::add" and frame.linkage_name == "_ZN4shop4cartIiE3addEi"
    ran = uniobs("symbolise", hex(start), "--image", path)
    assert ran.out == f"{start:#x}: shop::cart<int>::add(int) shop.cc:3\n"
    main = (module.symbol("main") or (0, 0))
    names = {f.function for at in range(main[0], main[0] + main[1]) for f in module.symbolise(at)}
    assert names == {"main", "shop::twice"}


def test_a_namespace_that_only_the_symbol_says(tmp_path: Path) -> None:
    """GCC gives functions of one file no linkage name in the debug information."""
    (tmp_path / "own.cc").write_text(
        "namespace shop { static __attribute__((noinline)) int own(int x) { asm(\"\"); return x * 3; } }\n"
        "int main(int argc, char **) { return shop::own(argc); }\n"
    )
    path = compile_c(tmp_path, "own", [tmp_path / "own.cc"], "-O1", "-g", compiler="g++")
    module = Module.load(path)
    start = (module.symbol("_ZN4shopL3ownEi") or (0, 0))[0]
    (frame,) = module.symbolise(start)
    assert (frame.function, frame.line, frame.linkage_name) == ("shop::own", 1, "_ZN4shopL3ownEi")
