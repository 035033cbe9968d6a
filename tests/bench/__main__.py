"""`make bench`: every figure beside its peer, measured in the same run."""

import importlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "guest-stubs" / "demo"))  # boot.py

BENCHES = "stub_cost host_cost first_stack unwinding recording core_fix symbols packets tui tui_live".split()


def main() -> int:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # modules are compiled once, as when installed
    print("ratio = ours / peer, the median of paired runs; below 1 uniobs is cheaper.")
    print(f"On this machine: {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n")
    code = 0
    for name in sys.argv[1:] or BENCHES:
        code |= importlib.import_module(f"tests.bench.{name}").main()
        print()
    return code


if __name__ == "__main__":
    sys.exit(main())
