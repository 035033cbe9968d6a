"""Guests that aren't ours to read, or live in other namespaces; guests without a region."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from support.bare_guest import QEMU, boot, build, needs_qemu, wait_until_halted
from uniobs.errors import NotOffered, TargetError, UniobsError
from uniobs.target import find_guests, open_target

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(60),
    needs_qemu,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become others"),
]


def as_nobody(spec: str) -> str:
    """What open_target says to another user; forked, so that our files need not be readable to it."""
    ours, theirs = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            open_target(spec)
            os.write(theirs, b"opened")
        except UniobsError as error:
            os.write(theirs, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as said:
        text = said.read().decode()
    os.waitpid(pid, 0)
    return text


def test_somebody_elses_vmm(tmp_path: Path) -> None:
    name = f"theirs-{os.getpid()}"
    with boot(tmp_path, name=name) as guest:
        denied = (
            f"AccessDenied: pid {guest.pid} belongs to another user: run as that user or give cap_sys_ptrace"
        )
        assert as_nobody(str(guest.pid)) == denied
        assert as_nobody(name) == denied  # it is found all the same
    path = tmp_path / "core"
    path.write_bytes(bytes(4096))
    path.chmod(0)
    assert as_nobody(str(path)).endswith("permission denied: run as its owner")


@pytest.fixture(
    params=["--mount", "--mount --pid --fork --mount-proc", "--user --map-root-user --mount --pid --fork"]
)
def contained(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, str]]:
    """A VMM in its own namespaces: its kernel and QMP socket lie in a file system that only it has."""
    if not shutil.which("unshare"):
        pytest.skip("needs unshare")
    elf = build(tmp_path)
    hidden, name = tmp_path / "hidden", f"inside-{os.getpid()}"
    hidden.mkdir()
    script = (
        f"mount -t tmpfs none {hidden} && cp {elf} {hidden}/ && cd {hidden} && echo && "
        f"exec {QEMU} -accel tcg -cpu max -M microvm -m 32M -kernel bare.elf -name {name} "
        "-nodefaults -no-user-config -display none -qmp unix:q.sock,server=on,wait=off"
    )
    with subprocess.Popen(
        ["unshare", *request.param.split(), "sh", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        if process.stdout.readline() != b"\n":
            process.wait()
            pytest.skip("this machine lets nobody make namespaces")
        pid = None
        for _ in range(100):
            pid = next((guest.pid for guest in find_guests() if guest.name == name), None)
            if pid is not None:
                break
            time.sleep(0.05)
        assert pid is not None
        try:
            yield pid, name
        finally:
            os.kill(pid, 9)
            process.wait()


def test_a_vmm_in_namespaces_of_its_own(contained: tuple[int, str]) -> None:
    pid, name = contained
    for _ in range(100):
        with suppress(TargetError), closing(open_target(name)) as target:  # it may still be starting
            assert target.pid == pid
            if target.region is not None and target.registers()[0].get("halted"):
                break
        time.sleep(0.05)
    with closing(open_target(name)) as target:
        assert target.status().state == "live"
        assert [module.name for module in target.modules] == ["bare.elf"]
        (thread,) = target.walker("threads").threads()
        assert [frame.function for frame in target.stack(thread).frames][:1] == ["spin"]


def test_a_guest_without_a_region(tmp_path: Path) -> None:
    with boot(tmp_path, region=bytes(4096), region_expected=False) as guest:
        wait_until_halted(guest)
        with closing(open_target(str(guest.pid))) as target:
            assert target.region is None
            status = target.status()
            assert (status.state, status.reason) == ("live", "idle (hlt)")
            assert "heartbeat" in " ".join(status.unknown)
            with pytest.raises(NotOffered, match="no region"):
                target.walker("threads")
            rip = target.registers()[0].values["rip"]
            assert target.space.translate(rip) == rip
            assert [module.name for module in target.modules] == ["bare.elf"]
            guest.kill()
            assert target.status(watch=0).reason == "VMM gone"
