"""A hosted guest's core, written again as a minidump: threads, stacks and tables are the same."""

import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import boot
from support.cli import uniobs
from support.corewriters import minidump, snapshot
from uniobs.cores import open_core

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]
ROOT = Path(__file__).resolve().parents[2]


def answers(target: Path) -> dict[str, Any]:
    return {
        "ps": uniobs("ps", "--json", target).rows,
        "bt": uniobs("bt", "--json", target, expect=(0, 4)).rows,
        "why": uniobs("why", "--json", target, expect=(0, 1, 4)).rows,
        "netstat": uniobs("netstat", "-a", "--json", target).rows,
    }


def test_the_same_as_the_core(tmp_path: Path) -> None:
    subprocess.run(["make", "-s", "-C", str(ROOT / "guest-stubs"), "build/demo-hosted"], check=True)
    path, dump = tmp_path / "core", tmp_path / "core.dmp"
    with boot.boot_hosted("kv-hosted") as guest:
        boot.traffic(guest)
        guest.poke("/break/deadlock")
        uniobs("core", "take", guest.pid, "-o", path)
    core = open_core(str(path))
    with closing(core.memory):
        taken = snapshot(core)
        threads = {thread: dict(known.values) for thread, known in core.threads.items()}
        whole = {file.path: [one for one in core.files if one.path == file.path] for file in core.files}
        modules = [
            minidump.Module(parts[0].start, parts[-1].end - parts[0].start, name)
            for name, parts in whole.items()
            if not name.startswith("/memfd:")
        ]
        own = next(file.path for file in core.files if file.path.endswith("demo-hosted"))
    modules.sort(key=lambda module: module.path != own)
    minidump.write(dump, taken, threads, modules)
    wanted, said = answers(path), answers(dump)
    assert len(wanted["ps"]) > 5 and any(frame["function"] for row in wanted["bt"] for frame in row["frames"])
    for command, rows in wanted.items():
        assert said[command] == rows, command
