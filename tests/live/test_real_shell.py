"""The shell on cores of real unikernels (the folder of $UNIOBS_GUESTS): values are gdb's, lists are whole."""

import os
from pathlib import Path

import pytest

from support import gdbprint
from support.cli import uniobs

GUESTS = Path(os.environ.get("UNIOBS_GUESTS", ""))
UNIKRAFT = GUESTS / "images" / "unikraft-base" / "appobs_qemu-x86_64.dbg"
OSV = GUESTS / "images" / "osv" / "loader.elf"
NANOS = GUESTS / "images" / "nanos"
HERMIT = GUESTS / "images" / "hermit" / "obs"
CORES = GUESTS / "cores"
MARK = '"=== next ==="'
VARIABLES = (
    "lock_a;lock_a.owner->name;*lock_a.owner;*uk_sched_head;&lock_b;ticks;*uk_sched_head->thread_list.tqh_first;"
    "lwip_stats;tcp_listen_pcbs;*tcp_listen_pcbs.listen_pcbs;netif_list->name;*netif_list;"
    "sizeof(struct uk_thread);"
    "(struct uk_mutex *)&lock_b;*(struct uk_mutex *)&lock_b;*_uk_alloc_head;lock_a.owner==lock_b.owner;"
    "lock_a.owner->flags&0x10;ticks*2+1;&lock_a.owner->name;tcp_ticks;lwip_stats.tcp"
).split(";")

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not UNIKRAFT.is_file(), reason="UNIOBS_GUESTS names no folder of real guests"),
]


def shell(core: str, image: Path | list[Path], *commands: str, expect: int | tuple[int, ...] = 0) -> str:
    images = image if isinstance(image, list) else [image]
    words = [word for command in commands for word in ("-c", command)]
    words += [word for path in images for word in ("--image", str(path))]
    return uniobs("shell", *words, CORES / core, expect=expect).out


def names(text: str) -> list[str]:
    """The texts that a walk with print shows."""
    return [line.partition('"')[2].removesuffix('"') for line in text.splitlines() if '"' in line]


@pytest.mark.parametrize("scenario", ["deadlock", "crash", "run"])
def test_unikrafts_variables_are_gdbs(scenario: str) -> None:
    core = CORES / f"unikraft-base-{scenario}.core"
    theirs = gdbprint.printed(UNIKRAFT, core, [f"p {name}" for name in VARIABLES])
    orders = [word for name in VARIABLES for word in (f"print {name}", f"print {MARK}")]
    parts = shell(core.name, UNIKRAFT, *orders, expect=(0, 4)).split(MARK + "\n")
    compared = 0
    parts = [part.replace("= {}", "= {<No data fields>}") for part in parts]
    for name, ours in zip(VARIABLES, parts, strict=False):
        right = theirs[f"p {name}"].replace("(const ", "(").splitlines()
        if "a null pointer to" in ours or not ours:
            assert "lock_a.owner->" in name or name == "*lock_a.owner", name
            assert scenario != "deadlock"
            continue  # nobody has the lock, and gdb shows what lies at address 0
        if "No symbol" in right[0] or "Cannot access" in right[0]:
            assert "unknown" in ours or not ours, name
            continue
        lines = list(zip(ours.splitlines(), right, strict=True))
        lines = [line for line in lines if "= {0x" not in line[0] and "<of unknown length" not in line[0]]
        assert [line for line in lines if line[0] != line[1]] == [], name
        compared += len(lines)
    assert compared > 100


def test_unikrafts_lists() -> None:
    order = "::walk uk_sched_head->thread_list thread_list print .name"
    text = shell("unikraft-base-deadlock.core", UNIKRAFT, order)
    listed = ["idle", "init", "lwip", "netdev0-rxq[0]", "worker-a", "worker-b", "ticker"]
    assert names(text) == [name for name in names(text) if name in listed] and set(names(text)) == set(listed)
    waiting = shell("unikraft-base-deadlock.core", UNIKRAFT,
                    "::walk lock_b.wait.wait_list thread_list print .thread->name")  # fmt: skip
    assert names(waiting) == ["worker-a"]
    text = shell("unikraft-base-deadlock.core", UNIKRAFT, "lock_a.owner::stack", "lock_a.owner::whatis")
    assert '"worker-a"' in text and "take_both" in text and "the struct of thread" in text


@pytest.mark.parametrize("variant", ["unikraft-base", "unikraft-vmem"])
def test_the_locals_of_a_crash(variant: str) -> None:
    image = GUESTS / "images" / variant / UNIKRAFT.name
    text = shell(f"{variant}-crash.core", image, "::frame", "p", "print v", "*p", expect=4)
    assert text.splitlines()[1:3] == ["(int *) 0x0", "42"] and "a null pointer to int" in text
    text = shell(f"{variant}-crash.core", image, "worker-a::locals")
    assert "#1 crash_here\n  nothing = 0x0\n" in text


@pytest.mark.skipif(not OSV.is_file(), reason="no OSv among the guests")
def test_osvs_containers() -> None:
    core = "osv-deadlock.core"
    found = names(shell(core, OSV, "::walk sched::thread_map print .second->_attr._name._M_elems"))
    assert {"worker-a", "worker-b", "ticker", "server", "idle0"} <= set(found) and len(found) > 20
    text = shell(core, OSV, "sched::cpus", "sched::cpus[0]->id", "::type sched::thread::attr")
    assert text.startswith("std::vector of length 1 = {0x") and "\n0\n" in text and "_name" in text


@pytest.mark.skipif(not NANOS.is_dir(), reason="no Nanos among the guests")
def test_nanos_with_its_program() -> None:
    images = [NANOS / "kernel.elf", NANOS / "obsprog"]
    orders = ("worker-a::stack", "lock_a.__data.__owner", "worker-a::regs", "klog.count")
    text = shell("nanos-deadlock.core", images, *orders)
    assert "take_both" in text and "\n3\n" in text and "%rip at __lll_lock_wait" in text
    text = shell("nanos-deadlock.core", images, "::walk processes | print .pid")
    assert text.split() == ["1", "2"]


@pytest.mark.skipif(not HERMIT.is_file(), reason="no Hermit among the guests")
def test_hermits_rust() -> None:
    orders = ("obs::TICKS.v.value", "::type obs::TICKS", "hermit_sys::net::NIC")
    text = shell("hermit-deadlock.core", HERMIT, *orders)
    assert text.split()[0].isdigit() and "AtomicU64" in text
    assert "isn't described as members" in text  # an enum's variants


@pytest.mark.parametrize("core", sorted(path.name for path in CORES.glob("unikraft-vmem-*.core")))
def test_drgn_where_addresses_are_paged(core: str) -> None:
    pytest.importorskip("drgn")
    image = GUESTS / "images" / "unikraft-vmem" / UNIKRAFT.name
    code = "print(prog['lock_a'].owner.value_(), prog['uk_sched_head'].thread_list.tqh_first.name.string_())"
    words = ("shell", "--drgn", "-c", code, "-c", "print(stack('ticker'))", "--image", image, CORES / core)
    text = uniobs(*words).out
    assert "b'idle'" in text and "ticker (" in text
    owner = shell(core, image, "print/d lock_a.owner").strip()
    assert text.split()[0] == owner
