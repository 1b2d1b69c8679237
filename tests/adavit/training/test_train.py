import datetime
import errno
import json
import math
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import adavit
from adavit.config.run import RunConfig
from adavit.errors import RunError, UserError
from adavit.runtime.console import SilentConsole, Status
from adavit.runtime.place import Place
from adavit.runtime.signals import Stopped
from adavit.training import train as train_module
from adavit.training.clock import Clock
from tests.checkpoints import save_checkpoint
from tests.telling import Told

Tiny = Callable[..., RunConfig]


def final_state(run: Path) -> dict[str, Any]:
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    del state["config"], state["window"]["seconds"], state["progress"]["seconds"]
    for record in ("best", "latest", "first"):
        if state["progress"][record]:
            del state["progress"][record]["seconds"]
    return state


def assert_same_bits(first: Any, second: Any, where: str = "") -> None:
    assert type(first) is type(second), where
    if isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first:
            assert_same_bits(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), where
        for index, (a, b) in enumerate(zip(first, second, strict=True)):
            assert_same_bits(a, b, f"{where}[{index}]")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    elif isinstance(first, float) and math.isnan(first):
        assert math.isnan(second), where
    else:
        assert first == second, where


def figures(log: Path) -> list[dict[str, Any]]:
    timings = {"images_per_s", "seconds"}
    records = [json.loads(line) for line in log.read_text().splitlines()]
    return [{key: r[key] for key in r if key not in timings} for r in records]


def put(run: Path, state: dict[str, Any]) -> None:
    """A checkpoint that is whole, whatever it holds."""
    save_checkpoint(run / "checkpoint.pt", state)


class StopAt(SilentConsole):
    """Sends this process a signal once so many images have been seen."""

    def __init__(self, images: int, number: int = signal.SIGTERM) -> None:
        self.images, self.number = images, number

    def status(self, status: Status) -> None:
        if status.images == self.images:
            os.kill(os.getpid(), self.number)


def test_what_a_launch_finds_its_run_by_is_there_before_its_first_step(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr("adavit.training.train._run", killed)
    monkeypatch.setattr(Place, "described", lambda self: {"launch": "mine"})
    with pytest.raises(KeyError):
        adavit.train(tiny())
    written = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert written["launch"] == "mine"
    assert (tmp_path / "run" / "config.yaml").is_file()


@pytest.mark.parametrize(
    "layer",
    [
        {},
        {
            "discriminator": {
                "kind": "resnet",
                "channel_base": 64,
                "channel_max": 8,
            }
        },
        {"data": {"cond": True, "mirror": True}, "augment": {"heuristic": "rv"}},
        {"training": {"microbatch": 4}, "augment": {"preset": "bgcfnc", "diffusion": 1}},
    ],
    ids=["vit", "resnet", "conditional", "microbatch"],
)
def test_half_then_resume_equals_one_go_bit_for_bit(
    tiny: Tiny, tmp_path: Path, layer: dict
) -> None:
    whole = tiny(layer, {"run": {"out": str(tmp_path / "whole")}})
    half = tiny(layer, {"run": {"out": str(tmp_path / "half")}, "training": {"total_kimg": 0.032}})
    adavit.train(whole)
    adavit.train(half)
    adavit.resume(tmp_path / "half", [{"training": {"total_kimg": 0.064}}])
    assert_same_bits(final_state(tmp_path / "whole"), final_state(tmp_path / "half"))
    for log in ("stats.jsonl", "metrics.jsonl"):
        assert figures(tmp_path / "whole" / log) == figures(tmp_path / "half" / log)


def test_the_same_command_twice_gives_the_same_bits(tiny: Tiny, tmp_path: Path) -> None:
    for name in ("first", "second"):
        adavit.train(tiny({"run": {"out": str(tmp_path / name)}}))
    assert_same_bits(final_state(tmp_path / "first"), final_state(tmp_path / "second"))


def test_another_seed_gives_other_weights(tiny: Tiny, tmp_path: Path) -> None:
    for seed in (0, 1):
        adavit.train(tiny({"run": {"out": str(tmp_path / str(seed)), "seed": seed}}))
    first, second = (final_state(tmp_path / name)["generator"] for name in ("0", "1"))
    assert not torch.equal(first["mapping.layers.0.weight"], second["mapping.layers.0.weight"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_writes_a_checkpoint_and_the_resumed_run_loses_nothing(
    tiny: Tiny, tmp_path: Path, number: int
) -> None:
    adavit.train(tiny({"run": {"out": str(tmp_path / "whole")}}))
    with pytest.raises(Stopped) as stopped:
        adavit.train(tiny(), console=StopAt(24, number))
    assert stopped.value.signal_number == number
    assert (
        torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["progress"]["images"]
        == 24
    )
    adavit.resume(tmp_path / "run")
    assert_same_bits(final_state(tmp_path / "whole"), final_state(tmp_path / "run"))
    for log in ("stats.jsonl", "metrics.jsonl"):
        assert figures(tmp_path / "whole" / log) == figures(tmp_path / "run" / log)


def test_what_ends_a_run_is_told_where_its_clock_cannot_be_written(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Clock) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Clock, "keep", full)
    with pytest.raises(Stopped):
        adavit.train(tiny(), console=StopAt(24, signal.SIGTERM))
    with pytest.raises(OSError, match="No space left"):
        adavit.resume("run")


def test_a_finished_run_says_so_and_changes_nothing(tiny: Tiny, tmp_path: Path) -> None:
    run = adavit.train(tiny())
    before = (
        final_state(run),
        (run / "stats.jsonl").read_text(),
        (run / "metrics.jsonl").read_text(),
    )
    told = Told()
    adavit.resume(run, console=told)
    assert "is finished" in told.results[0]  # which --quiet leaves in
    assert_same_bits(before[0], final_state(run))
    assert before[1:] == ((run / "stats.jsonl").read_text(), (run / "metrics.jsonl").read_text())


def test_a_changed_setting_on_resume_is_an_error_that_names_it(tiny: Tiny, tmp_path: Path) -> None:
    run = adavit.train(tiny())
    changed = [{"training": {"r1_gamma": 3}, "augment": {"preset": "bg"}}, {"run": {"seed": 7}}]
    with pytest.raises(UserError) as caught:
        adavit.resume(run, changed)
    for key in ("training.r1_gamma", "augment.preset", "run.seed"):
        assert key in str(caught.value)
    again = [{"training": {"batch": 8}, "data": {"val_fraction": 0.2}}, {"run": {"device": "cpu"}}]
    adavit.resume(run, again)


def test_changed_images_on_resume_are_an_error(tiny: Tiny, pictures: Path) -> None:
    run = adavit.train(tiny())
    next(pictures.rglob("*.png")).unlink()
    with pytest.raises(UserError, match="not those the run was trained on"):
        adavit.resume(run)


def test_logs_are_cut_back_to_the_checkpoint(tiny: Tiny, tmp_path: Path) -> None:
    run = adavit.train(tiny({"training": {"total_kimg": 0.032}}))
    before = figures(run / "stats.jsonl")
    with (run / "stats.jsonl").open("a") as log:
        log.write('{"images": 40, "p": 9}\n{"images": 48, "p')  # what a kill leaves
    adavit.resume(run)
    assert figures(run / "stats.jsonl") == before


def test_a_damaged_checkpoint_is_refused_where_there_is_no_other(tiny: Tiny) -> None:
    run = adavit.train(tiny({"run": {"keep_checkpoints": 1}}))
    assert not (run / "checkpoint-1.pt").exists()
    whole = (run / "checkpoint.pt").read_bytes()
    for content in (b"", b"not a checkpoint", b"PK\x03\x04 truncated", whole[: len(whole) // 2]):
        (run / "checkpoint.pt").write_bytes(content)
        with pytest.raises(UserError, match="is damaged or not a checkpoint"):
            adavit.resume(run)


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_hostile_checkpoint_never_runs_code(tiny: Tiny, tmp_path: Path) -> None:
    run = adavit.train(tiny({"run": {"keep_checkpoints": 1}}))
    put(run, {"generator": Hostile(tmp_path / "made")})
    with pytest.raises(UserError, match="is damaged or not a checkpoint"):
        adavit.resume(run)
    assert not (tmp_path / "made").exists()


def test_a_checkpoint_of_another_shape_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    run = adavit.train(tiny())
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    state["generator"]["w_average"] = torch.zeros(5)
    put(run, state)
    with pytest.raises(UserError, match="does not fit this configuration"):
        adavit.resume(run)


def test_what_a_resumed_run_lacks_is_no_smaller_batch(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adavit.training.start.footprint.free_bytes", lambda _: 10)
    with pytest.raises(RunError, match="Use a smaller --microbatch or --batch"):
        adavit.train(tiny())
    monkeypatch.undo()
    run = adavit.train(tiny())
    monkeypatch.setattr("adavit.training.start.footprint.free_bytes", lambda _: 10)
    with pytest.raises(
        RunError, match=r"^out of memory: .* take a device .* \(--device\)\.$"
    ) as caught:
        adavit.resume(run)
    assert "--batch" not in str(caught.value)
    assert "Give a smaller --microbatch" in str(caught.value)


class Killed(BaseException):
    """In place of a kill: nothing is tidied up but what leaving a block does."""


def kill(*_: Any, **__: Any) -> None:
    raise Killed


def test_a_run_killed_before_its_first_checkpoint_starts_again(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adavit.train(tiny({"run": {"out": str(tmp_path / "whole")}}))
    with monkeypatch.context() as patch:
        patch.setattr("adavit.training.snapshots.save_newest", kill)
        with pytest.raises(Killed):
            adavit.train(tiny())
    run = tmp_path / "run"
    assert figures(run / "metrics.jsonl")  # it had been measured, and left a generator
    assert (run / "generator-last.safetensors").exists()
    told = Told()
    adavit.resume(run, console=told)
    assert f"Warning: run {run} has no checkpoint; it begins again at 0." in told.notes
    assert_same_bits(final_state(tmp_path / "whole"), final_state(run))
    for log in ("stats.jsonl", "metrics.jsonl"):
        assert figures(tmp_path / "whole" / log) == figures(run / log)


def test_a_run_whose_checkpoints_are_gone_keeps_what_it_has_left(
    tiny: Tiny, tmp_path: Path
) -> None:
    run = adavit.train(tiny())
    for checkpoint in run.glob("checkpoint*.pt"):
        checkpoint.unlink()
    left = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=r"has no checkpoint any more.* --transfer .*-best") as told:
        adavit.resume(run, kimg=0.08)
    assert {path: path.read_bytes() for path in left} == left
    command = str(told.value).rsplit("--transfer ", 1)[1].rstrip(".")
    adavit.train(tiny({"training": {"transfer": command}, "run": {"out": str(tmp_path / "new")}}))


def test_the_same_flags_in_other_words_are_no_change(tiny: Tiny, pictures: Path) -> None:
    run = adavit.train(tiny({"metrics": {"reference": str(pictures)}}))
    same = [
        {"data": {"source": "pictures", "resolution": "auto"}, "training": {"precision": "auto"}},
        {"metrics": {"reference": "pictures", "names": "fid,kid"}, "augment": {"target": "auto"}},
    ]
    adavit.resume(run, same)


def test_a_run_that_memory_has_cut_into_slices_goes_on_with_the_same_settings(tiny: Tiny) -> None:
    config, told = tiny({"run": {"memory": "64GB"}}), Told()
    run = adavit.train(config)
    adavit.resume(run, [config.as_dict()], console=told)
    assert [note for note in told.notes if "goes on with 8 of 8 images at a time" in note]


def test_another_discriminator_on_resume_is_one_error(tiny: Tiny) -> None:
    run = adavit.train(tiny())
    with pytest.raises(UserError) as caught:
        adavit.resume(run, [{"discriminator": {"kind": "resnet"}}])
    assert str(caught.value).count("discriminator.") == 1
    assert "discriminator.kind is 'resnet'" in str(caught.value)


def test_a_run_never_changes_the_network_it_is_measured_with(tiny: Tiny, tmp_path: Path) -> None:
    run = adavit.train(tiny({"metrics": {"extractor": "random"}}))
    with pytest.raises(UserError, match=r"metrics\.extractor"):
        adavit.resume(run, [{"metrics": {"extractor": "inception"}}])
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"")
    with pytest.raises(UserError, match="random"):
        adavit.resume(run, [{"metrics": {"inception_weights": str(weights)}}])


def test_a_moved_run_goes_on(tiny: Tiny, tmp_path: Path) -> None:
    run = adavit.train(tiny({"training": {"total_kimg": 0.032}}))
    run.rename(tmp_path / "moved")
    adavit.resume(tmp_path / "moved", [{"training": {"total_kimg": 0.064}}])
    adavit.train(tiny({"run": {"out": str(tmp_path / "whole")}}))
    assert_same_bits(final_state(tmp_path / "whole"), final_state(tmp_path / "moved"))


@pytest.mark.parametrize(
    "damage",
    [
        {"window": {"overfitting": 1, "sums": [], "counts": {}, "images": 0, "seconds": 0}},
        {"progress": {"images": "x"}},
        {"progress": {"done_at": {}}},
        {"average": None},
    ],
)
def test_a_checkpoint_with_nonsense_inside_is_refused(tiny: Tiny, damage: dict) -> None:
    run = adavit.train(tiny())
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    put(run, {**state, **damage})
    with pytest.raises(UserError, match="does not fit this configuration"):
        adavit.resume(run)


def test_a_length_that_was_passed_is_refused_and_nothing_is_written(tiny: Tiny) -> None:
    run = adavit.train(tiny({"training": {"total_kimg": 0.032}}))
    with (run / "stats.jsonl").open("a") as log:  # after the checkpoint: a resume would drop it
        log.write('{"images": 40}\n')
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=r"total_kimg is 0\.016, but the run has seen 0\.032 kimg"):
        adavit.resume(run, [{"training": {"total_kimg": 0.016}}])
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    adavit.resume(run, [{"training": {"total_kimg": 0.032}}])  # no less than that


def test_a_run_remembers_when_it_began(tiny: Tiny) -> None:
    run = adavit.train(tiny({"training": {"total_kimg": 0.016}, "metrics": {"names": []}}))
    started = json.loads((run / "environment.json").read_text())["started"]
    since = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(started)
    assert 0 <= since.total_seconds() < 600
    adavit.resume(run, [{"training": {"total_kimg": 0.032}}])
    assert json.loads((run / "environment.json").read_text())["started"] == started


def test_images_that_were_moved_are_asked_for_and_may_be_named_anew(
    tiny: Tiny, pictures: Path, tmp_path: Path
) -> None:
    run = adavit.train(tiny({"metrics": {"names": []}}))
    pictures.rename(tmp_path / "moved")
    longer = {"training": {"total_kimg": 0.08}}
    match = rf"are not at .* where they are now: adavit train --resume {run} --data FOLDER"
    with pytest.raises(UserError, match=match):
        adavit.resume(run, [longer])
    adavit.resume(run, [longer, {"data": {"source": str(tmp_path / "moved")}}])


def test_settings_by_their_short_names_are_those_of_a_configuration(
    tiny: Tiny, tmp_path: Path
) -> None:
    config = tiny({"metrics": {"names": []}})
    first = adavit.train(config)
    second = adavit.train(config, out=str(tmp_path / "second"), training={"batch": 8})
    assert_same_bits(final_state(first), final_state(second))
    adavit.resume(str(second), kimg=0.08)
    assert final_state(second)["progress"]["images"] == 80


@pytest.mark.parametrize("config", ["my_photos.zip", {"data": "x"}, 3])
def test_what_is_no_configuration_gets_a_message(config: Any) -> None:
    with pytest.raises(UserError, match=r"expected an adavit\.RunConfig\. Name settings instead"):
        adavit.train(config)


def test_other_images_to_compare_with_are_refused_on_resume(
    tiny: Tiny, pictures: Path, tmp_path: Path
) -> None:
    """Figures before and after would stand in one log as if they compared."""
    reference = tmp_path / "reference"
    shutil.copytree(pictures, reference)
    run = adavit.train(tiny({"metrics": {"reference": str(reference)}}))
    before = (run / "metrics.jsonl").read_bytes()
    next(reference.rglob("*.png")).unlink()
    with pytest.raises(
        UserError, match=r"reference' are not those that the run's figures compare with .* Restore"
    ):
        adavit.resume(run, kimg=0.08)
    assert (run / "metrics.jsonl").read_bytes() == before


def test_images_may_lie_elsewhere_and_be_read_otherwise_while_they_are_the_same(
    tiny: Tiny, pictures: Path, tmp_path: Path
) -> None:
    reference = tmp_path / "reference"
    shutil.copytree(pictures, reference)
    run = adavit.train(tiny({"metrics": {"reference": str(reference)}}))
    moved = str(reference.rename(tmp_path / "moved"))
    with pytest.raises(UserError, match=rf"now: adavit train --resume {run} --metric-data FOLDER"):
        adavit.resume(run, kimg=0.08)
    layer = {"data": {"fit": "pad"}, "metrics": {"reference": moved}}
    adavit.resume(run, [layer], kimg=0.08)
    adavit.resume(run, kimg=0.096)  # where they lie now
    assert final_state(run)["progress"]["images"] == 96


@pytest.mark.parametrize("whose", ["the run was trained on", "that the run's figures compare with"])
def test_images_that_are_others_as_they_are_read_now_are_refused(
    tiny: Tiny, tmp_path: Path, whose: str
) -> None:
    wide = tmp_path / "wide"
    wide.mkdir()
    for shade in range(40):
        pixels = np.full((16, 24, 3), shade, np.uint8)
        pixels[:, :12] = 200
        Image.fromarray(pixels).save(wide / f"{shade}.png")
    of = "metrics.reference" if "figures" in whose else "data.source"
    section, _, key = of.partition(".")
    run = adavit.train(tiny({"data": {"resolution": 16}}, {section: {key: str(wide)}}))
    match = (
        rf"^the images of '{wide}', read with data\.fit 'stretch' and not 'crop', are not those {whose} \(.*\)\."
        r" Leave data\.fit out"
    )
    with pytest.raises(UserError, match=match):
        adavit.resume(run, [{"data": {"fit": "stretch"}}], kimg=0.08)


@pytest.mark.parametrize("wanted", [True, False])
def test_sums_are_in_a_fixed_order_from_the_networks_on_where_that_is_asked_for(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    seen: list[bool] = []

    def noted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            seen.append(torch.are_deterministic_algorithms_enabled())
            return function(*arguments, **keywords)

        return call

    for name in ("first_step", "build_step", "_run"):
        monkeypatch.setattr(train_module, name, noted(getattr(train_module, name)))
    run = adavit.train(tiny({"training": {"deterministic": wanted}}))
    adavit.resume(run, training={"deterministic": not wanted, "total_kimg": 0.08})
    assert seen == [wanted, wanted, not wanted, not wanted]
    assert not torch.are_deterministic_algorithms_enabled()
