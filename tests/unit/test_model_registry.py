"""Entry points, read without importlib.metadata: what it finds is what importlib finds."""

import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from uniobs.errors import UniobsError
from uniobs.model import registry

GROUPS = (registry.VIEWS, registry.WALKERS, registry.VERDICTS, registry.STREAMS)


@pytest.fixture(autouse=True)
def fresh() -> None:
    registry._points.cache_clear()


@pytest.mark.parametrize("group", GROUPS)
def test_the_same_as_importlib(group: str) -> None:
    assert registry.names(group) == sorted({point.name for point in entry_points(group=group)})
    assert registry.names(group)


@pytest.mark.parametrize("group", GROUPS)
def test_every_one_can_be_loaded(group: str) -> None:
    assert [name for name, found in registry.load_all(group) if found is not None] == registry.names(group)


def test_somebody_elses_distribution_adds_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "other-1.dist-info"
    info.mkdir()
    text = "[console_scripts]\nx = y:z\n\n[uniobs.views]\nother = math:tau\n# no\nbroken = math:nothing\n"
    (info / "entry_points.txt").write_text(text)
    (tmp_path / "bad-1.dist-info").mkdir()
    (tmp_path / "bad-1.dist-info" / "entry_points.txt").write_bytes(b"[uniobs.views]\n\xff\xfe=1\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path), str(tmp_path / "nowhere")])
    registry._points.cache_clear()
    assert registry.load(registry.VIEWS, "other") > 6
    assert {"other", "ps"} <= set(registry.names(registry.VIEWS))
    with pytest.raises(UniobsError, match="can't be loaded"):
        registry.load(registry.VIEWS, "broken")
    with pytest.raises(UniobsError, match="named none is installed"):
        registry.load(registry.VIEWS, "none")
    registry._points.cache_clear()
