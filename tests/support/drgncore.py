"""drgn on a fixed core: in a process of its own, as a user's script has it."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# what `drgn -c CORE SCRIPT` runs: prog is there, with its images loaded
_ASK = """
import json, sys
rows = []
for thread in prog.threads():
    frames = []
    for frame in thread.stack_trace():
        try:
            pc = frame.pc
        except LookupError:  # the outermost one
            break
        try:
            place = frame.source()
        except LookupError:
            place = (None, None, None)
        frames.append({"pc": pc, "function": frame.name, "file": place[0], "line": place[1] or None})
    rows.append({"id": thread.tid, "frames": frames})
values = {name: eval(name, {"prog": prog}) for name in sys.argv[2:]}
with open(sys.argv[1], "w") as file:
    json.dump({"threads": rows, "values": values}, file)
"""


def drgn(core: Path, folder: Path, values: Sequence[str] = (), words: Sequence[str] = ()) -> dict[str, Any]:
    """{"threads": [{"id", "frames"}], "values": {Python expression: value}, "said": its stderr}."""
    script, answer = folder / "ask.py", folder / "drgn.json"
    script.write_text(_ASK)
    program = str(Path(sys.executable).parent / "drgn")
    done = subprocess.run(
        [program, "-c", str(core), *words, str(script), str(answer), *values],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert answer.exists(), done.stdout + done.stderr
    told: dict[str, Any] = json.loads(answer.read_text())
    answer.unlink()
    told["said"] = done.stderr
    return told
