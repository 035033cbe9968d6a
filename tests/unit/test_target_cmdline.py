"""QEMU's command line, as people and libvirt write it."""

import pytest

from uniobs.target.cmdline import DEFAULT_MEMORY, parse, parse_size, split_options

MIB = 1 << 20


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64", 64 * MIB),
        ("64M", 64 * MIB),
        ("1G", 1024 * MIB),
        ("1.5G", 1536 * MIB),
        ("65536k", 64 * MIB),
        ("67108864B", 64 * MIB),
        ("64MiB", 64 * MIB),
        ("", None),
        ("x", None),
        ("-5", None),
        ("9" * 40, None),
    ],
)
def test_sizes(text: str, size: int | None) -> None:
    assert parse_size(text) == size


def test_what_people_write() -> None:
    found = parse(
        tuple(
            "qemu-system-x86_64 -nodefaults -M microvm,rtc=on -m 64M -kernel a,b.elf -name kv "
            "-accel tcg,thread=multi -append -m_is_no_option "
            "-qmp unix:/tmp/q.sock,server=on,wait=off -display none".split()
        )
    )
    assert (found.machine, found.memory, found.kernel, found.name) == ("microvm", 64 * MIB, "a,b.elf", "kv")
    assert (found.qmp, found.accel) == ("/tmp/q.sock", "tcg")


def test_what_libvirt_writes() -> None:
    found = parse(
        tuple(
            "/usr/bin/qemu-system-x86_64 -name guest=shop,debug-threads=on -S "
            "-machine pc-q35-7.2,usb=off,memory-backend=pc.ram -accel kvm -m size=524288k "
            "-object {} -chardev socket,id=charmonitor,fd=26,server=on,wait=off "
            "-mon chardev=charmonitor,id=monitor,mode=control".split()
        )
    )
    assert (found.name, found.machine, found.memory) == ("shop", "pc-q35-7.2", 512 * MIB)
    assert found.qmp is None
    assert found.qmp_unreachable is not None
    assert found.accel == "kvm"


def test_a_monitor_with_a_path() -> None:
    text = "q -chardev socket,path=/run/a,,b.sock,server=on,id=m -mon chardev=m,mode=control -m 1G -m 2G"
    text += " --name x"
    found = parse(tuple(text.split()))
    assert found.qmp == "/run/a,b.sock"
    assert found.memory == 2048 * MIB
    assert found.name == "x"
    human = parse(tuple("q -chardev socket,path=/run/a,id=m -mon chardev=m".split()))
    assert (human.qmp, human.qmp_unreachable) == (None, None)
    tcp = parse(tuple("q -qmp tcp:localhost:4444,server".split()))
    assert tcp.qmp is None
    assert "no unix socket" in (tcp.qmp_unreachable or "")


def test_nothing_said() -> None:
    found = parse(("/usr/bin/qemu-system-x86_64",))
    assert (found.machine, found.memory, found.name, found.qmp) == ("pc", DEFAULT_MEMORY, None, None)
    assert parse(()).memory == DEFAULT_MEMORY
    assert parse(("qemu-system-x86_64", "-m")).memory == DEFAULT_MEMORY


def test_doubled_commas() -> None:
    assert split_options("a,,b,c") == ["a,b", "c"]
