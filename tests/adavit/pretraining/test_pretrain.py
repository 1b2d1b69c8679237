import contextlib
import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from adavit.config.pretraining import PretrainConfig, build_pretrain_config
from adavit.errors import RunError, UserError
from adavit.models.masked_patches.prediction import Prediction
from adavit.pretraining import loop
from adavit.pretraining.pretrain import pretrain, resume_pretraining
from adavit.runs.trunk_file import read_trunk
from adavit.runtime import processor
from adavit.runtime.console import LineConsole, SilentConsole, Status
from adavit.runtime.signals import Stopped
from tests.processors import AMD_ZEN4, INTEL_WITHOUT
from tests.telling import Told

Tiny = Callable[..., PretrainConfig]


def records(file: Path) -> list[dict[str, Any]]:
    log = file.with_name("pretraining.jsonl")
    return [json.loads(line) for line in log.read_text().splitlines()]


def same(first: Path, second: Path) -> bool:
    one, two = read_trunk(first).state(), read_trunk(second).state()
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_a_pretraining_leaves_a_trunk_and_its_figures(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    file = pretrain(tiny(), console=LineConsole())
    assert sorted(path.name for path in file.parent.iterdir()) == [
        ".adavit-results",
        ".lock",
        "pretraining-1.pt",
        "pretraining.jsonl",
        "pretraining.pt",
        "trunk.safetensors",
    ]
    log = records(file)
    assert [record["images"] for record in log] == [0, 16, 32, 48, 64]
    trunk = read_trunk(file)
    assert trunk.images == 64
    assert trunk.figures == log[-1]
    assert trunk.figures["measured_on"] == "held-out"
    assert trunk.arguments["width"] == 16
    assert trunk.config["pretraining"]["learning_rate"] == 5e-3
    assert len(trunk.data_fingerprint) == 64
    # Before the first step all 512 colours are about as likely.
    assert log[0]["loss"] == pytest.approx(math.log(512), abs=0.1)
    assert log[0]["training_loss"] is None
    out = capsys.readouterr().out
    assert "held-out accuracy 0." in out
    assert "(always the commonest colour: 0." in out
    assert "  p 0" not in out
    assert f"--init-discriminator {file}" in out


def test_figures_without_looking_are_those_of_the_data(tiny: Tiny) -> None:
    black_and_white = {"discriminator": {"patch": 8}}
    file = pretrain(tiny(black_and_white))
    record = records(file)[0]
    # 32 training images of 4 patches and 8 held-out ones, 2 patches of which are hidden.
    assert record["majority_accuracy"] * 16 == pytest.approx(
        round(record["majority_accuracy"] * 16)
    )
    assert 0 < record["frequency_loss"] <= math.log(128 + 512)


def test_groups_of_a_batch_that_it_does_not_take_are_not_asked_after(tiny: Tiny) -> None:
    file = pretrain(tiny({"discriminator": {"minibatch_std_group": 48}}))
    assert read_trunk(file).images == 64


def test_with_the_groups_that_it_was_started_with_it_goes_on(tiny: Tiny) -> None:
    """They are stored as 0, which the same flags again are not."""
    layer = {"discriminator": {"minibatch_std_group": 4}}
    folder = pretrain(tiny(layer)).parent
    before = everything(folder)
    resume_pretraining(folder, [layer])
    assert equal(everything(folder), before)


def test_without_held_out_images_training_images_are_measured(tiny: Tiny) -> None:
    file = pretrain(tiny({"data": {"val_fraction": 0}, "discriminator": {"patch": "8x4"}}))
    assert records(file)[-1]["measured_on"] == "training"
    trunk = read_trunk(file)
    assert (trunk.arguments["patch"], trunk.encoder.patch) == ("8x4", (8, 4))


def test_the_same_seed_gives_the_same_bits(tiny: Tiny, tmp_path: Path) -> None:
    files = [pretrain(tiny({"run": {"out": str(tmp_path / name)}})) for name in "ab"]
    assert same(*files)


def test_its_precision_is_chosen_as_for_a_run_and_stored(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(name: str, *layers: dict[str, dict[str, Any]]) -> tuple[Path, list[str]]:
        notes = Told()
        file = pretrain(tiny({"run": {"out": str(tmp_path / name)}}, *layers), console=notes)
        return file, [line for line in notes.notes if "bf16" in line]

    def stored(file: Path) -> list[str]:
        state = torch.load(file.with_name("pretraining.pt"), weights_only=True)
        trunk = read_trunk(file).config
        return [each["pretraining"]["precision"] for each in (state["config"], trunk)]

    rough, _ = made("rough", {"pretraining": {"precision": "bf16"}})
    for facts, precision in ((INTEL_WITHOUT, "float32"), (AMD_ZEN4, "bf16")):
        (tmp_path / "cpuinfo").write_text(facts)
        monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
        file, said = made(f"on {precision}")
        assert stored(file) == [precision, precision]
        assert same(file, rough) is (precision == "bf16")
        keeps = "--set pretraining.precision=float32 keeps to float32."
        assert [line.endswith(keeps) for line in said] == [True] * (precision == "bf16")
    fine, said = made("given", {"pretraining": {"precision": "float32"}})
    assert same(fine, tmp_path / "on float32" / "trunk.safetensors")
    assert said == []


@pytest.mark.parametrize(
    "layer",
    [
        {"pretraining": {"total_kimg": 0.072}},
        {"pretraining": {"batch": 16}},
        {"pretraining": {"learning_rate": 1e-3}},
        {"pretraining": {"warmup_kimg": 0.032}},
        {"pretraining": {"adam_beta1": 0.5}},
        {"pretraining": {"adam_beta2": 0.99}},
        {"pretraining": {"weight_decay": 0.5}},
        {"run": {"seed": 1}},
        {"data": {"mirror": True}},
        {"discriminator": {"attention": "dot"}},
    ],
)
def test_every_setting_changes_the_trunk(
    tiny: Tiny, tmp_path: Path, layer: dict[str, dict[str, Any]]
) -> None:
    usual = pretrain(tiny({"run": {"out": str(tmp_path / "usual")}}))
    section, values = next(iter(layer.items()))
    out = {"run": {"out": str(tmp_path / "other")}}
    assert not same(usual, pretrain(tiny(out, {section: values})))


def test_the_cadence_of_measurements_does_not_change_the_trunk(tiny: Tiny, tmp_path: Path) -> None:
    often = {"pretraining": {"measure_every_kimg": 0.008}, "run": {"out": str(tmp_path / "often")}}
    file = pretrain(tiny(often))
    assert len(records(file)) == 9
    assert same(file, pretrain(tiny()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_file_of_what_was_learnt(tiny: Tiny, number: signal.Signals) -> None:
    class Signals(SilentConsole):
        def status(self, status: Status) -> None:
            if status.images == 40:
                os.kill(os.getpid(), number)

    config = tiny()
    with pytest.raises(Stopped) as caught:
        pretrain(config, console=Signals())
    assert config.run.out is not None
    file = config.run.out / "trunk.safetensors"
    assert caught.value.signal_name == number.name
    assert caught.value.go_on == f"adavit pretrain --resume {config.run.out}"
    assert caught.value.left == f"the trunk at 0.04 kimg is in {file}"
    trunk = read_trunk(file)
    assert trunk.images == 40
    assert trunk.figures["images"] == 32


def test_numbers_that_are_not_finite_stop_it_and_leave_the_last_good_file(tiny: Tiny) -> None:
    config = tiny({"pretraining": {"learning_rate": 1e30, "warmup_kimg": 0}})
    with pytest.raises(
        RunError, match=r"not finite.*begin anew with a lower pretraining.learning_rate"
    ):
        pretrain(config)
    assert config.run.out is not None
    state = read_trunk(config.run.out / "trunk.safetensors").state()
    assert all(torch.isfinite(tensor).all() for tensor in state.values())


def test_a_number_that_is_not_finite_is_named_where_it_was_and_nothing_is_kept_of_it(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, loss = iter(range(100)), loop.masked_patch_loss

    def poisoned(prediction: Prediction) -> torch.Tensor:
        return loss(prediction) * (math.nan if next(steps) == 2 else 1.0)

    monkeypatch.setattr(loop, "masked_patch_loss", poisoned)
    config = tiny()
    with pytest.raises(RunError, match=r"a number is not finite at 0\.0 kimg"):
        pretrain(config)
    assert config.run.out is not None
    assert read_trunk(config.run.out / "trunk.safetensors").images == 16


def test_a_hidden_patch_needs_others(tiny: Tiny) -> None:
    config = tiny({"discriminator": {"patch": 16}})
    with pytest.raises(UserError, match="patch is 16, which makes one patch"):
        pretrain(config)
    assert config.run.out is not None
    assert not config.run.out.exists()


def test_advice_for_want_of_memory_is_what_a_pretraining_takes(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adavit.pretraining.footprint.free_bytes", lambda _: 10)
    with pytest.raises(RunError, match=r"^out of memory: .* \(discriminator\.width,") as caught:
        pretrain(tiny())
    assert "--microbatch" not in str(caught.value)


def test_nothing_is_asked_or_told_of_steps_of_a_gan(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of whose memory, time and augmentation a pre-training takes nothing."""
    (tmp_path / "oblong").mkdir()
    for index in range(8):
        Image.effect_noise((40, 24), 30 + index).save(tmp_path / "oblong" / f"{index}.png")
    monkeypatch.setattr("adavit.training.start.footprint.free_bytes", lambda _: 10)
    monkeypatch.setattr("adavit.training.start.effort.SLOW_S", 0.0)
    notes = Told()
    file = pretrain(tiny({"data": {"source": str(tmp_path / "oblong")}}), console=notes)
    resume_pretraining(file.parent, console=notes)
    assert not [line for line in notes.notes if "augment" in line or "each step" in line]
    assert read_trunk(file).arguments["resolution"] == "24x40"


def test_a_full_directory_is_refused_first(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "pretrained").mkdir()
    (tmp_path / "pretrained" / "file").touch()
    with pytest.raises(UserError, match="is not empty"):
        pretrain(tiny())


class Killed(BaseException):
    """Ends the process where it is, as nothing of ours expects it."""


class DiesAt(SilentConsole):
    """Is killed at the first step that has seen so many images."""

    def __init__(self, images: int) -> None:
        self.images = images

    def status(self, status: Status) -> None:
        if status.images >= self.images:
            raise Killed


def everything(folder: Path) -> dict[str, Any]:
    """What a pre-training leaves, apart from where it lies."""
    state = torch.load(folder / "pretraining.pt", weights_only=True)
    return {
        "log": (folder / "pretraining.jsonl").read_text(),
        "trunk": read_trunk(folder / "trunk.safetensors").state(),
        "state": state,
    }


def equal(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[k], second[k]) for k in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(equal, first, second))
    return bool(first == second)


@pytest.mark.parametrize(
    ("precision", "killed_at"), [("float32", (8, 16, 24, 40, 64)), ("bf16", (24,))]
)
def test_killed_at_any_step_it_goes_on_to_the_same_bits(
    tiny: Tiny, tmp_path: Path, precision: str, killed_at: tuple[int, ...]
) -> None:
    layer = {"pretraining": {"precision": precision}}
    whole = everything(pretrain(tiny(layer)).parent)
    for images in killed_at:
        folder = tmp_path / f"killed at {images}"
        with pytest.raises(Killed):
            pretrain(tiny(layer, {"run": {"out": str(folder)}}), console=DiesAt(images))
        for further in (images, images + 24):  # and once more, if it comes so far
            with contextlib.suppress(Killed):
                resume_pretraining(folder, console=DiesAt(further))
        resume_pretraining(folder)
        assert equal(everything(folder), whole), images


@pytest.mark.parametrize("call", ["save_trunk", "save_newest", "figure_line"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_killed_while_it_writes_it_goes_on_to_the_same_bits(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, count: int
) -> None:
    whole = everything(pretrain(tiny()).parent)
    folder, calls = tmp_path / "killed", []
    original = getattr(loop, call)

    def killed(*arguments: Any, **keywords: Any) -> Any:
        calls.append(1)
        if len(calls) == count:
            raise Killed
        return original(*arguments, **keywords)

    config = tiny({"run": {"out": str(folder)}})
    with monkeypatch.context() as patched:
        patched.setattr(loop, call, killed)
        with pytest.raises(Killed):
            pretrain(config)
    if (call, count) == ("save_newest", 1):  # nothing was begun: the same command again
        pretrain(config)
    else:
        resume_pretraining(folder)
    assert equal(everything(folder), whole)


def test_after_a_signal_it_goes_on_to_the_same_figures(tiny: Tiny) -> None:
    class Signals(SilentConsole):
        def status(self, status: Status) -> None:
            if status.images == 40:
                os.kill(os.getpid(), signal.SIGTERM)

    config = tiny()
    assert config.run.out is not None
    whole = everything(pretrain(config).parent)
    config.run.out.rename("whole")
    with pytest.raises(Stopped):
        pretrain(config, console=Signals())
    console = LineConsole()
    resume_pretraining(config.run.out, [{"pretraining": {"total_kimg": "auto"}}], console=console)
    assert equal(everything(config.run.out), whole)
    before = everything(config.run.out)
    resume_pretraining(config.run.out)  # it is finished
    assert equal(everything(config.run.out), before)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"pretraining": {"total_kimg": 9}}, r"total_kimg is 9\.0, but .* started with 0\.064"),
        ({"pretraining": {"learning_rate": 1}}, "learning_rate is 1.0, but"),
        ({"pretraining": {"precision": "bf16"}}, "precision is 'bf16', but"),
        ({"discriminator": {"width": 24}}, "discriminator.width is 24, but"),
        ({"run": {"seed": 5}}, "run.seed is 5, but"),
        ({"run": {"out": "elsewhere"}}, "--out 'elsewhere' is not the pre-training being contin"),
        ({"run": {"out": "~/ran"}}, "--out '~/ran' is not the pre-training being continued"),
        ({"run": {"out": 5}}, r"run\.out is 5"),
    ],
)
def test_other_settings_are_refused_when_it_goes_on(
    tiny: Tiny, layer: dict[str, Any], message: str
) -> None:
    folder = pretrain(tiny()).parent
    before = everything(folder)
    with pytest.raises(UserError, match=message):
        resume_pretraining(folder, [layer])
    assert equal(everything(folder), before)


def test_cadence_and_place_may_change_when_it_goes_on(
    tiny: Tiny, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = pretrain(tiny())
    whole = read_trunk(file).state()
    file.parent.rename("whole")
    with pytest.raises(Killed):
        pretrain(tiny(), console=DiesAt(40))
    moved = pictures.rename("moved")
    layers = [
        {"data": {"source": str(moved)}, "pretraining": {"measure_every_kimg": 0.008}},
        {"run": {"out": f"~/{file.parent.name}"}},
    ]
    resume_pretraining(file.parent, layers)
    assert equal(read_trunk(file).state(), whole)
    assert [record["images"] for record in records(file)] == [0, 16, 32, 40, 48, 56, 64]


def test_what_cannot_be_gone_on_with_is_said(tiny: Tiny, tmp_path: Path, pictures: Path) -> None:
    with pytest.raises(UserError, match="holds no pre-training: it has no pretraining"):
        resume_pretraining(tmp_path)
    folder = pretrain(tiny()).parent
    with pytest.raises(UserError, match=f"holds a pre-training.*pretrain --resume {folder}"):
        pretrain(tiny())
    (pictures / "000.png").unlink()
    with pytest.raises(UserError, match=r"not those that .* was pre-trained on"):
        resume_pretraining(folder)
    for name in ("pretraining.pt", "pretraining-1.pt"):
        checkpoint = folder / name
        checkpoint.write_bytes(checkpoint.read_bytes()[:-500])
    with pytest.raises(UserError, match=r"pretraining\.pt' is damaged"):
        resume_pretraining(folder)


@pytest.mark.parametrize("ailment", ["flipped", "cut", "empty", "gone"])
@pytest.mark.parametrize("killed_at", [8, 40, None])
def test_from_a_damaged_checkpoint_it_goes_back_to_the_one_before_and_says_so(
    tiny: Tiny, tmp_path: Path, ailment: str, killed_at: int | None
) -> None:
    config = tiny({"run": {"out": str(tmp_path / "whole")}})
    whole = everything(pretrain(config).parent)
    folder = tmp_path / "damaged"
    console = SilentConsole() if killed_at is None else DiesAt(killed_at)
    with contextlib.suppress(Killed):
        pretrain(tiny({"run": {"out": str(folder)}}), console=console)
    newest = folder / "pretraining.pt"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes({"flipped": content, "cut": content[:-9]}.get(ailment, b""))
    if ailment == "gone":
        newest.unlink()
    said = Told()
    resume_pretraining(folder, console=said)
    (warning,) = [line for line in said.notes if line.startswith("Warning: checkpoint")]
    reason = "is gone" if ailment == "gone" else "is damaged or not a checkpoint"
    assert warning.startswith(f"Warning: checkpoint {str(newest)!r} {reason}")
    assert warning.endswith("pretraining-1.pt, written before it, is taken instead.")
    at = {8: 0, 40: 0.016, None: 0.048}[killed_at]
    assert f"Continuing {folder} at {at:g} kimg." in said.notes
    assert equal(everything(folder), whole)
    images = [
        torch.load(path, weights_only=True)["progress"]["images"]
        for path in (newest, folder / "pretraining-1.pt")
    ]
    assert images == [64, 48]


def test_a_signal_at_a_measurement_does_not_cost_the_checkpoint_before_it(tiny: Tiny) -> None:
    class Signals(SilentConsole):
        def report(self, status: Status) -> None:
            if status.images == 32:
                os.kill(os.getpid(), signal.SIGTERM)

    config = tiny()
    with pytest.raises(Stopped):
        pretrain(config, console=Signals())
    assert config.run.out is not None
    names = ("pretraining.pt", "pretraining-1.pt")
    states = [torch.load(config.run.out / name, weights_only=True) for name in names]
    assert [state["progress"]["images"] for state in states] == [32, 16]


@pytest.mark.slow
def test_pretraining_beats_the_baselines_on_small_set(tmp_path: Path) -> None:
    config = build_pretrain_config(
        [
            {
                "data": {"source": "small_set", "subset": 1000, "val_fraction": 0.2},
                "pretraining": {"total_kimg": 4, "measure_every_kimg": 2},
                "run": {"out": str(tmp_path / "small_set"), "device": "cpu"},
            }
        ]
    )
    figures = read_trunk(pretrain(config)).figures
    # Seeds 0 to 2: loss 3.96 to 4.10 against 5.17 to 5.20, accuracy 0.125 to 0.134 against 0.023 to 0.035.
    assert figures["loss"] < figures["frequency_loss"] - 0.8
    assert figures["accuracy"] > 2 * figures["majority_accuracy"]
