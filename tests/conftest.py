"""What every test shares. Helpers are in tests/support."""

import pytest


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What uniobs remembers between runs (images, options) is the test's own, not the developer's."""
    home = tmp_path_factory.getbasetemp() / "home"
    for name in ("CONFIG", "CACHE", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # it hides what was never flushed
