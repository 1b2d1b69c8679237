import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from adavit.config.auto import RunFacts, resolve
from adavit.config.run import RunConfig
from adavit.doctor import speed
from adavit.doctor.speed import ELSEWHERE, examine_speed, nearest
from adavit.errors import RunError
from adavit.runtime.resolution import Resolution
from benchmarks.gpu.bench import Bench

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("figure", ELSEWHERE, ids=lambda figure: figure.machine)
def test_figures_stand_in_the_file_that_they_name(figure: speed.MeasuredElsewhere) -> None:
    numbers = re.findall(r"[\d,]*\d", (ROOT / figure.file).read_text())
    assert f"{figure.images_per_s:g}" in [number.replace(",", "") for number in numbers]


def test_as_many_threads_or_the_next_fewer_are_held_against_each_other() -> None:
    found = [nearest("cpu", threads, "bf16").threads for threads in (1, 2, 3, 64)]
    assert found == [1, 2, 2, 2]


def test_a_card_is_held_against_one_that_calculates_alike() -> None:
    assert nearest("cuda", 16, "bf16").images_per_s == 3236
    assert nearest("cuda", 16, "float32").images_per_s == 2009


def test_what_is_measured_on_a_card_is_what_was_measured_there(tmp_path: Path) -> None:
    """A full-size ResNet at 32 px with a batch of 64, its steps as graphs in bf16: the row of the table."""
    measured = resolve(RunConfig(), RunFacts(Resolution.of(32), 10_000, "cuda"))
    bench = Bench(torch.device("cpu"), toy=False, out=tmp_path, ends=0.0)
    there = bench.config("resnet", 32, {"training": {"batch": 64, "precision": "bf16"}})
    assert (measured.generator, measured.discriminator) == (there.generator, there.discriminator)
    for name in ("batch", "precision", "graphs", "compile", "r1_interval"):
        assert getattr(measured.training, name) == getattr(there.training, name)
    assert measured.augment.preset == there.augment.preset
    row = "| full, resnet | 32 | 64 | bf16 | 41.1 / 56.5 | 19.5 / 23.6 | 1,521 | 3,236 |"
    assert row in (ROOT / nearest("cuda", 1, "bf16").file).read_text()


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of a step of 16 images; the fixture's list is what each measurement gives in turn."""
    seconds, asked = [0.1], list[RunConfig]()
    training = SimpleNamespace(batch=16, total_kimg=80.0, precision="float32")
    workload = SimpleNamespace(
        config=SimpleNamespace(training=training), device=torch.device("cpu")
    )
    monkeypatch.setattr(
        speed, "load_workload", lambda config, console: asked.append(config) or workload
    )
    monkeypatch.setattr(speed, "build_step", lambda workload: None)
    monkeypatch.setattr(speed, "seconds_per_step", lambda *_: seconds.pop(0))
    monkeypatch.setattr(speed, "SECONDS", 0.0)
    monkeypatch.setattr(speed, "crowding", lambda device: "")
    threads = [2]
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda count: threads.__setitem__(0, count))
    return seconds


def test_the_rate_stands_beside_the_other(measured: list[float]) -> None:
    (found,) = examine_speed()
    assert (found.state, found.facts["images_per_s"], found.facts["ratio"]) == ("ok", 160.0, 0.64)
    assert "160 images/s of adavit train --data small_set with 2 threads in float32" in found.found
    assert ": 8.33 minutes and the evaluations for its 80 kimg" in found.found
    assert "That is 0.64 of the 250 of two cores of an EPYC (Zen 4) in float32 (" in found.found


def test_a_slow_machine_is_told_what_may_be_in_the_way(measured: list[float]) -> None:
    measured[:] = [1.0]
    (found,) = examine_speed()
    assert found.state == "note"
    assert "try fewer threads" in found.remedy


def test_beside_others_one_thread_is_measured_and_advised(
    measured: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "crowding", lambda device: "Other programs keep it busy.")
    (found,) = examine_speed()
    assert (found.state, found.facts["threads"], found.facts["ratio"]) == ("note", 1, 1.391)
    assert "with 1 thread in float32, as other programs keep the cores busy" in found.found
    assert found.remedy.startswith("Train with OMP_NUM_THREADS=1")
    assert torch.get_num_threads() == 2  # as it was


def test_the_middle_of_the_measurements_counts(
    measured: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured[:] = [16 / 100, 16 / 300, 16 / 900]
    monkeypatch.setattr(speed, "SECONDS", 3.0)
    ticks = iter([0.0, 1.0, 2.0, 3.0])
    monkeypatch.setattr(speed.time, "monotonic", lambda: next(ticks))
    (found,) = examine_speed()
    assert found.facts["images_per_s"] == 300.0
    assert measured == []


def test_a_step_that_fails_prevents_training(
    measured: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RunError("out of memory")

    monkeypatch.setattr(speed, "build_step", fails)
    (found,) = examine_speed()
    assert (found.state, found.found) == ("problem", "A training step fails: out of memory")


def test_real_steps_are_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path))
    monkeypatch.setattr(speed, "SECONDS", 0.0)
    (found,) = examine_speed()
    assert found.state in ("ok", "note")
    assert 1 < found.facts["images_per_s"] < 1e5
