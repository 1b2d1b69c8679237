"""A run whose steps find no room any more."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import torch
import yaml
from torch import Tensor

import adavit
from adavit.config.run import RunConfig
from adavit.errors import RunError
from adavit.runs.directory import RunDirectory
from adavit.runtime.console import SilentConsole
from adavit.training.passes.streams import StepStreams
from adavit.training.slice_memory import StepsWithinMemory
from adavit.training.start.workload import load_workload
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.out_of_memory import StepOutOfMemory
from adavit.training.step.slice_pass import SlicePass
from adavit.training.trainer import Trainer
from tests.telling import Told

Tiny = Callable[..., RunConfig]
SHORT = {"training": {"total_kimg": 0.032}, "metrics": {"names": []}}


@contextmanager
def room_for(monkeypatch: pytest.MonkeyPatch, images: int, after: int) -> Iterator[None]:
    """After so many slices, larger ones than of so many images run out of memory when they are all but done."""
    compute, seen = SlicePass.__call__, 0

    def limited(self: SlicePass, real: Tensor, *arguments: Any) -> Any:
        nonlocal seen
        seen += 1
        sums = compute(self, real, *arguments)
        if seen > after and len(real) > images:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 MiB")
        return sums

    with monkeypatch.context() as patch:
        patch.setattr(SlicePass, "__call__", limited)
        yield


def weights(run: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(run / "checkpoint.pt", weights_only=True)
    parts = ("generator", "discriminator", "average", "generator_optimizer", "probability")
    return {name: state[name] for name in parts}


def test_it_goes_on_as_if_it_had_been_resumed_with_smaller_slices(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    with room_for(monkeypatch, 4, after=2):
        run = adavit.train(tiny(SHORT), console=told)
    (line,) = [line for line in told.notes if line.startswith("Out of memory")]
    assert "at 0.016 kimg with 8 images at a time" in line
    assert "microbatch 4," in line
    assert "the weights are others than those of" in line
    assert yaml.safe_load((run / "config.yaml").read_text())["training"]["microbatch"] == 4

    again = {"run": {"out": str(tmp_path / "resumed")}}
    other = adavit.train(tiny(SHORT, again, {"training": {"total_kimg": 0.016}}))
    adavit.resume(other, kimg=0.032, microbatch=4)
    torch.testing.assert_close(weights(run), weights(other), rtol=0, atol=0)
    # Twice as long: what it went on with is kept.
    for each in (run, other):
        adavit.resume(each, kimg=0.048)
    torch.testing.assert_close(weights(run), weights(other), rtol=0, atol=0)


@pytest.mark.parametrize("seed", [0, 5])
def test_steps_draw_with_the_seed_of_their_run(tiny: Tiny, tmp_path: Path, seed: int) -> None:
    def step(*_: Any, images: int, streams: StepStreams) -> Tensor:
        return torch.randn(4, generator=streams.latents)

    workload = load_workload(tiny({"run": {"seed": seed}}), SilentConsole())
    steps: Any = StepsWithinMemory(
        workload,
        cast("AdversarialStep", step),
        RunDirectory(tmp_path),
        SilentConsole(),
        adopt=pytest.fail,
        keep=pytest.fail,
    )
    expected = torch.randn(4, generator=StepStreams.at(seed, 16).latents)
    assert torch.equal(steps(torch.zeros(8), None, 16), expected)


def test_where_no_smaller_slice_is_allowed_it_ends_with_advice(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    for group, last in ((4, "4 images at a time, and smaller"), (0, "1 image at a time. ")):
        layer = {"discriminator": {"minibatch_std_group": group}}
        out = {"run": {"out": f"group{group}"}}
        with room_for(monkeypatch, 0, after=1), pytest.raises(RunError, match=last) as caught:
            adavit.train(tiny(SHORT, layer, out))
        assert f"group{group}, on a device with more memory" in str(caught.value)


@pytest.mark.parametrize("group", [0, 4])
def test_where_it_ends_for_want_of_memory_the_steps_before_are_kept(
    group: int, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = {"discriminator": {"minibatch_std_group": group}}
    with room_for(monkeypatch, 0, after=3), pytest.raises(RunError, match="out of memory"):
        adavit.train(tiny(SHORT, layer))
    run, whole = tmp_path / "run", {"run": {"out": str(tmp_path / "whole")}}
    assert torch.load(run / "checkpoint.pt", weights_only=True)["progress"]["images"] == 24
    stored = yaml.safe_load((run / "config.yaml").read_text())["training"]["microbatch"]
    shorter = {"training": {"total_kimg": 0.024}}
    other = adavit.train(tiny(SHORT, layer, shorter, whole))
    for each in (run, other):
        adavit.resume(each, kimg=0.032, microbatch=stored)
    torch.testing.assert_close(weights(run), weights(other), rtol=0, atol=0)


def test_where_there_is_no_room_for_a_checkpoint_the_last_one_stays(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, saved = Trainer.save, []

    def saved_once(self: Trainer, **how: Any) -> None:
        if saved:
            raise MemoryError
        saved.append(save(self, **how))

    monkeypatch.setattr(Trainer, "save", saved_once)
    with room_for(monkeypatch, 0, after=3), pytest.raises(RunError, match="out of memory"):
        adavit.train(tiny(SHORT))
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert state["progress"]["images"] == 0


def test_a_cell_of_an_experiment_keeps_its_slices(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "cell.json").write_text("{}")
    with room_for(monkeypatch, 4, after=1), pytest.raises(StepOutOfMemory):
        adavit.train(tiny(SHORT))
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert state["progress"]["images"] == 8
    stored = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert stored["training"]["microbatch"] is None


PROGRAM = """
import resource, sys
from pathlib import Path

# As the curves do at the end, for which the limit leaves no room.
import matplotlib.backends.backend_agg, matplotlib.figure

import adavit
from adavit.errors import RunError
from adavit.runtime.console import LineConsole

class Limited(LineConsole):
    def note(self, text):
        super().note(text)
        if "look first at" in text or "Continuing" in text:  # before the first step
            fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
            now = 1024 * int(fields["VmSize"].split()[0])
            resource.setrlimit(resource.RLIMIT_AS, (now + 450 * 2**20, resource.RLIM_INFINITY))

if Path("run").exists():
    adavit.resume("run", console=Limited())
else:
    settings = dict(kimg=0.512, batch=512, resolution=32, metrics="none", precision="float32")
    adavit.train(data=sys.argv[1], out="run", console=Limited(), **settings)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits are read off /proc")
def test_under_a_limit_of_the_system_it_recovers(pictures: Path) -> None:
    words = [sys.executable, "-c", PROGRAM, str(pictures)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=300)
    if "can calculate no more" in ended.stderr:  # where the last bytes were missing for code
        assert ended.returncode == 1
        ended = subprocess.run(words, capture_output=True, text=True, timeout=300)
    else:
        assert "Out of memory at 0 kimg with 512 images at a time" in ended.stdout
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Finished at 0.512 kimg" in ended.stdout
    assert yaml.safe_load(Path("run/config.yaml").read_text())["training"]["microbatch"] < 512


def test_where_a_process_calculates_no_more_another_one_goes_on(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("could not create a primitive")

    with monkeypatch.context() as patch:
        patch.setattr(SlicePass, "__call__", fails)
        with pytest.raises(
            RunError, match=r"training.microbatch 4 from now on; go on with: adavit train --resume"
        ):
            adavit.train(tiny(SHORT))
    run = adavit.resume("run")
    assert yaml.safe_load((run / "config.yaml").read_text())["training"]["microbatch"] == 4
