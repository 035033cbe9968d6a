"""The commands on one guest whose every table is filled, as text and as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.shop import crashed, shop, write
from uniobs.cli.main import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write(tmp_path_factory.mktemp("shop") / "shop.mem", shop()))


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> str:
    hostile = shop(name=b"w\x1b[2J\xe2\x80\xaeb")
    return str(write(tmp_path_factory.mktemp("dead") / "dead.mem", crashed(hostile)))


def answer(capture: Capture, *argv: str, code: int = 0) -> dict[str, Any]:
    assert main([*argv, "--json"]) == code
    found = json.loads(capture.readouterr().out)
    assert isinstance(found, dict)
    assert found["schema"] == 1
    assert {"view", "target", "rows", "notes", "complete"} <= found.keys()
    return found


def lines(capture: Capture, *argv: str, code: int = 0) -> list[str]:
    assert main(list(argv)) == code
    return capture.readouterr().out.splitlines()


def test_ps_rows(guest: str, capsys: Capture) -> None:
    found = answer(capsys, "ps", guest)
    rows = {row["tid"]: row for row in found["rows"]}
    assert [row["stat"] for row in found["rows"]] == ["S", "S", "D", "D", "R", "S"]
    assert rows[1]["wchan"] == "accept 0.0.0.0:80"
    assert rows[2]["wchan"] == "sleep 60ms"
    assert rows[3]["wchan"] == "mutex lock_b (tid 4)"
    assert rows[6]["wchan"] == "cond queue.filled"
    assert rows[3]["wait"]["kind"] == "mutex"
    assert rows[3]["wait"]["owner_tid"] == 4
    assert rows[1]["cpu_time_ns"] == 120_000_000
    assert rows[1]["pcpu"] == 0.2  # 120 ms of 59.99 s
    assert (rows[1]["stack_used"], rows[1]["stack_size"]) == (6246, 65536)
    assert rows[1]["comm"] is None
    assert found["complete"]


@pytest.mark.parametrize(
    ("argv", "header"),
    [
        (["-ef"], "TID NAME     STAT WCHAN                %CPU     TIME   STACK COMMAND"),
        (["aux"], "TID NAME     STAT WCHAN                %CPU     TIME   STACK COMMAND"),
        (["-eo", "tid,stat,wchan,pcpu,time,comm"], "TID STAT WCHAN                %CPU     TIME COMMAND"),
        (["-o", "pid=NUMBER", "-o", "name"], "NUMBER NAME"),
    ],
)
def test_ps_columns(guest: str, capsys: Capture, argv: list[str], header: str) -> None:
    assert lines(capsys, "ps", guest, *argv)[0] == header


def test_ps_sorts_and_picks(guest: str, capsys: Capture) -> None:
    assert [line.split()[0] for line in lines(capsys, "ps", guest, "--sort", "-time", "--no-headers")][
        :2
    ] == ["5", "2"]
    assert len(lines(capsys, "ps", guest, "-p", "3,4")) == 3
    assert answer(capsys, "ps", guest, "-o", "tid,name", "-C", "main")["rows"] == [{"tid": 1, "name": "main"}]


def test_a_torn_row_is_unknown_and_incomplete(tmp_path: Path, capsys: Capture) -> None:
    build = shop()
    build.thread(seq=3, tid=9, name=b"half")
    path = str(write(tmp_path / "torn.mem", build))
    rows = {row["tid"]: row for row in answer(capsys, "ps", path, code=4)["rows"]}
    assert rows[9]["torn"]
    assert (rows[9]["stat"], rows[9]["name"], rows[9]["pcpu"]) == ("?", None, None)
    assert "being written" in answer(capsys, "ps", path, code=4)["notes"][0]


def test_a_full_table_is_said(tmp_path: Path, capsys: Capture) -> None:
    build = shop()
    build.live["thread_overflow"] = 7
    path = str(write(tmp_path / "full.mem", build))
    assert answer(capsys, "ps", path, code=4)["notes"] == [
        "7 threads are missing: the guest's table was full when they were made"
    ]


def test_ss_rows(guest: str, capsys: Capture) -> None:
    rows = answer(capsys, "ss", "-tan", guest)["rows"]
    assert [row["state"] for row in rows] == ["LISTEN", "TIME-WAIT", "ESTAB"]
    assert (rows[0]["recvq"], rows[0]["sendq"]) == (3, 4)  # backlog and its limit, as ss has it
    assert rows[2]["process"] == 'users:(("worker-a",tid=3,fd=7))'
    assert [row["id"] for row in answer(capsys, "ss", guest, "-a", "state", "established")["rows"]] == [2]
    assert [row["id"] for row in answer(capsys, "ss", guest, "-a", "dport = :40000")["rows"]] == [3]
    assert answer(capsys, "ss", guest, "dport = :9")["rows"] == []
    assert "rtt:1.5 mss:1460 cwnd:4" in "\n".join(lines(capsys, "ss", "-ti", guest))
    assert len(lines(capsys, "ss", "-tanH", guest)) == 3


@pytest.mark.parametrize(
    ("flags", "ids"),
    [([], [3, 2]), (["-a"], [1, 3, 2, 4]), (["-l"], [1, 4]), (["-ta"], [1, 3, 2]), (["-ua"], [4])],
)
def test_netstat_picks(guest: str, capsys: Capture, flags: list[str], ids: list[int]) -> None:
    assert [row["id"] for row in answer(capsys, "netstat", guest, *flags)["rows"]] == ids


def test_netstat_other_tables(guest: str, capsys: Capture) -> None:
    (eth0,) = answer(capsys, "netstat", "-i", guest)["rows"]
    assert (eth0["name"], eth0["rx_packets"], eth0["addr"]) == ("eth0", 26, "10.0.2.15")
    (route,) = answer(capsys, "netstat", "-r", guest, code=4)["rows"]
    assert (route["destination"], route["mask"]) == ("10.0.2.0", "255.255.255.0")
    assert "    3 retransmits" in lines(capsys, "netstat", "-s", guest)


def test_counters(guest: str, capsys: Capture) -> None:
    rows = answer(capsys, "counters", guest)["rows"]
    assert [(row["name"], row["value"]) for row in rows] == [
        ("http_requests_total", 42),
        ("tcp.retransmits", 3),
    ]
    assert len(answer(capsys, "counters", guest, "http*")["rows"]) == 1


def test_vmstat(guest: str, capsys: Capture) -> None:
    (row,) = answer(capsys, "vmstat", guest)["rows"]
    assert (row["running"], row["blocked"]) == (0, 2)
    assert (row["heap_used"], row["heap_free"]) == (1 << 20, 31 << 20)
    assert row["ticks_s"] == 100
    assert row["idle"] == 99
    assert len(lines(capsys, "vmstat", guest, "1", "5")) == 3  # of what stands still there is one line


def test_top(guest: str, capsys: Capture) -> None:
    text = lines(capsys, "top", "-b", "-n1", guest)
    assert text[0] == "uniobs top - shop (shop.mem), up 1m00s"
    assert text[1] == "Threads: 6 total, 1 running, 3 waiting, 2 on a mutex, 0 exited"
    assert text[2] == "%Cpu: 1.0 busy, 99.0 idle (since boot)"
    assert text[7].split()[1] == "idle"


def test_strace(guest: str, dead: str, capsys: Capture) -> None:
    assert main(["strace", "-T", guest]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        '[worker-a] open("/data/user:42", O_RDONLY) = -1 ENOENT (No such file or directory) <0.000004>',
        "[main] accept(3,  <unfinished ...>",
    ]
    assert shown.err.splitlines()[-1] == "2 events shown, 0 lost, 0 torn"
    assert main(["strace", dead]) == 0
    assert (
        "+++ panicked: page fault, write to 0x0 (not mapped): a null pointer +++" in capsys.readouterr().err
    )
    assert main(["strace", "--json", "-Z", guest]) == 0
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (row["call"], row["result"], row["duration_ns"], row["thread"]) == ("open", -2, 4000, "worker-a")
    assert row["args"][0]["value"] == "/data/user:42"


def test_dmesg_is_safe(guest: str, capsys: Capture) -> None:
    assert lines(capsys, "dmesg", guest) == [
        "[    0.100000] listening on port 80",
        "[    0.200000] disk \\x1b[31mred\\x07",
    ]
    assert len(lines(capsys, "dmesg", "-l", "err", guest)) == 1
    assert main(["dmesg", "--json", guest]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["level"], row["tid"], row["text"]) for row in rows][1] == (3, 1, "disk \x1b[31mred\x07")


def test_tcpdump(guest: str, tmp_path: Path, capsys: Capture) -> None:
    assert main(["tcpdump", "-t", guest]) == 0
    shown = capsys.readouterr()
    assert shown.out == "ARP, Request who-has 10.0.2.15 tell 10.0.2.2, length 28\n"
    assert shown.err.splitlines()[-3:-1] == ["1 packet captured", "1 packet received by filter"]
    for name, magic in (("x.pcapng", b"\n\r\r\n"), ("x.pcap", b"\x4d\x3c\xb2\xa1")):
        path = str(tmp_path / name)
        assert main(["tcpdump", guest, "-w", path, "arp"]) == 0
        assert Path(path).read_bytes()[:4] == magic
        capsys.readouterr()
        assert lines(capsys, "tcpdump", "-t", "-r", path) == [
            "ARP, Request who-has 10.0.2.15 tell 10.0.2.2, length 28"
        ]
    assert lines(capsys, "tcpdump", guest, "tcp", "port", "80") == []


def test_why_on_a_deadlock(guest: str, capsys: Capture) -> None:
    text = lines(capsys, "why", guest, code=1)
    assert text[0].startswith("shop has DEADLOCKED threads, for at least 6.0s")
    assert text[2].startswith("  worker-a   holds lock_a   waits for lock_b   at ")
    assert text[3].startswith("  worker-b   holds lock_b   waits for lock_a   at ")
    found = answer(capsys, "why", guest, code=1)
    assert [(row["name"], row["threads"]) for row in found["rows"]] == [("deadlock", [3, 4])]
    assert found["last_log"][0]["text"] == "listening on port 80"
    assert found["unknown"]


def test_why_on_a_crash_with_a_hostile_name(dead: str, capsys: Capture) -> None:
    text = lines(capsys, "why", dead, code=1)
    assert text[0].startswith("dead is DEAD: page fault in 0x4010")
    assert "  cause     page fault, write to 0x0 (not mapped): a null pointer" in text
    assert all(line.isprintable() for line in text)
    assert "w\\x1b[2J\\u202eb" in "\n".join(text)
    assert answer(capsys, "why", dead, code=1)["rows"][0]["name"] == "crash"


def test_bt_says_which_stacks_cannot_be_had(dead: str, capsys: Capture) -> None:
    found = answer(capsys, "bt", dead, code=4)
    assert found["rows"][0]["crashed"]
    assert found["rows"][0]["tid"] == 3
    assert found["rows"][0]["frames"][0]["pc"] == 0x4010
    assert all(row["frames"] or row["error"] for row in found["rows"])


def test_core_show_holds_all_of_it(dead: str, capsys: Capture) -> None:
    text = "\n".join(lines(capsys, "core", "show", dead, code=1))
    for part in (
        "== What happened",
        "== Stacks",
        "== Threads",
        "== Network",
        "== Locks",
        "== Last log lines",
        "held by worker-a",
    ):
        assert part in text
    assert "\n".join(lines(capsys, "core", dead, code=1)) == text
    found = answer(capsys, "core", "show", dead, code=1)
    assert [row["name"] for row in found["rows"]] == ["crash", "deadlock"]
    sections = found["sections"]
    assert {"cause", "threads", "network", "stacks", "locks", "memory", "packets"} <= sections.keys()
    assert all(section["data"] is not None or section["reason"] for section in sections.values())


def test_ls_lists_a_file_with_its_verdict(dead: str, capsys: Capture) -> None:
    assert main(["ls", dead, "--json"]) in (0, 4)  # 4: another guest of this host may not be readable
    row = next(row for row in json.loads(capsys.readouterr().out)["rows"] if row["pid"] is None)
    assert (row["unikernel"], row["state"], row["sees"]) == ("demo", "dead", "stub")
    assert row["verdict"] == "page fault in 0x4010"


def test_doctor(guest: str, capsys: Capture) -> None:
    rows = {row["check"]: row["status"] for row in answer(capsys, "doctor", guest, code=1)["rows"]}
    assert rows["stub"] == "ok"
    assert rows["image"] == "missing"
