import sys
from pathlib import Path

import pytest

from adavit.training.tensorboard import EventLog


def test_scalars_are_written_and_forgotten_past_a_resume(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = EventLog(tmp_path)
    for images in (10, 20, 30):
        log.write({"images": images, "p": images / 100, "r_t": None, "note": "x"}, images)
    resumed = EventLog(tmp_path)
    resumed.purge_after(20)
    resumed.write({"p": 0.5}, 30)
    events = accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert events.Tags()["scalars"] == ["p"]
    assert [(e.step, round(e.value, 3)) for e in events.Scalars("p")] == [
        (10, 0.1),
        (20, 0.2),
        (30, 0.5),
    ]


def test_without_the_extra_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    EventLog(tmp_path / "events").write({"p": 1.0}, 10)
    assert not (tmp_path / "events").exists()
