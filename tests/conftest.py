"""What every test shares. Helpers are in tests/support."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "guest-stubs" / "demo"))  # boot.py


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What uniobs remembers between runs (images, options) is the test's own, not the developer's."""
    home = tmp_path_factory.getbasetemp() / "home"
    for name in ("CONFIG", "CACHE", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    monkeypatch.setenv("NO_COLOR", "1")
