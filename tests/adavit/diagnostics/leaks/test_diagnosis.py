import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

from adavit.augment import AugmentPipe
from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.data.small_set.images import draw_small_set
from adavit.diagnostics.diagnosed_images import _highest_p, open_diagnosis
from adavit.diagnostics.leaks import probe
from adavit.diagnostics.leaks.calibration import Calibrated, Parts, calibrate
from adavit.diagnostics.leaks.diagnosis import estimate_leak, leaks, p_warning, summarise_leaks
from adavit.diagnostics.leaks.operations import Operation, operations_by_name
from adavit.diagnostics.leaks.rates import Confusion, draw_rates, estimate_rate
from adavit.errors import UserError
from adavit.metrics.extractors.extractor import tensors_digest
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import read_generator
from adavit.runtime.console import SilentConsole
from adavit.runtime.resolution import Resolution
from tests.adavit.diagnostics.conftest import random_images, write_images
from tests.adavit.diagnostics.leaks.real_images import half_dark

CPU = torch.device("cpu")


def test_an_operation_that_fails_on_the_images_is_told_before_a_probe_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adavit.diagnostics.leaks.diagnosis.estimate_leak", pytest.fail)
    folder = write_images(tmp_path / "data", random_images(30, channels=1))
    opened = open_diagnosis(str(folder), data=str(folder), out=tmp_path / "out")
    with pytest.raises(UserError, match=r"^RandomHue does not work on images of 1 x 16 x 16 \(.*"):
        leaks(opened, operations=["xflip", "RandomHue"])


def test_a_plain_operation_is_learnt_and_its_rate_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "STEPS", 40)
    parts = Parts(half_dark(60, 1), half_dark(60, 2), half_dark(60, 3))
    fakes = half_dark(100, 4)
    fakes[:20] = fakes[:20].flip(-1)
    entry = estimate_leak(
        operations_by_name(["xflip"])[0], parts, fakes, seed=0, device=CPU, console=SilentConsole()
    )
    assert entry["balanced_accuracy"] == 1
    assert entry["rate"]["value"] == pytest.approx(0.2)
    assert entry["rate"]["low"] < 0.2 < entry["rate"]["high"]
    assert entry["control_rate"]["value"] == 0
    assert 0 < entry["control_rate"]["high"] < 0.08
    # A mirror of the mirrored ones looks as if it had not happened.
    assert entry["alarms_on_operated_fakes"] == pytest.approx(0.8)
    assert entry["doubtful"]


@pytest.mark.parametrize(
    ("sensitivity", "false_alarms", "doubtful"),
    [
        (1.0, 0.0, False),
        (0.86, 0.0, False),
        (0.84, 0.0, True),  # it finds more of what was done to generated images than to real ones
        (1.0, 0.3, True),  # at generated images it gives no false alarm at all
    ],
)
def test_a_rate_is_doubtful_where_the_probe_errs_otherwise_on_generated_images(
    monkeypatch: pytest.MonkeyPatch, sensitivity: float, false_alarms: float, doubtful: bool
) -> None:
    class Sharp:
        """A probe that knows a mirrored image of `half_dark` without fail."""

        def alarms(self, images: torch.Tensor) -> torch.Tensor:
            left, right = (part.float().mean((1, 2, 3)) for part in images.chunk(2, dim=-1))
            return left > right

    measured = Confusion(np.arange(60) < 60 * false_alarms, np.full(60, sensitivity))
    found = Calibrated(cast("probe.Probe", Sharp()), measured)
    monkeypatch.setattr("adavit.diagnostics.leaks.diagnosis.calibrate", lambda *_, **__: found)
    parts = Parts(half_dark(60, 1), half_dark(60, 2), half_dark(60, 3))
    (operation,) = operations_by_name(["xflip"])
    fakes = half_dark(100, 4)
    entry = estimate_leak(operation, parts, fakes, seed=0, device=CPU, console=SilentConsole())
    assert entry["alarms_on_operated_fakes"] == 1
    assert entry["rate"]["value"] == 0
    assert entry["doubtful"] is doubtful


def test_what_cannot_be_seen_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "STEPS", 10)
    grey = Parts(*(random_images(30, seed, channels=1) for seed in (1, 2, 3)))
    arguments: dict[str, Any] = {"seed": 0, "device": CPU, "console": SilentConsole()}
    hue = estimate_leak(operations_by_name(["hue"])[0], grey, grey.control, **arguments)
    assert hue == {
        "operation": "hue",
        "cannot_be_told": "it changes fewer than half of the images",
    }
    # Random patterns are as likely mirrored as not.
    mirror = estimate_leak(operations_by_name(["xflip"])[0], grey, grey.control, **arguments)
    assert mirror["balanced_accuracy"] < 0.7
    assert "below 0.7" in mirror["cannot_be_told"]
    assert "rate" not in mirror


@pytest.mark.slow
@pytest.mark.parametrize("name", ["brightness", "cutout", "rotate"])
def test_a_known_rate_is_recovered_inside_the_interval(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(probe, "STEPS", 250)
    drawn, _ = draw_small_set(1500)
    images = torch.from_numpy(drawn).permute(0, 3, 1, 2)
    parts = Parts(images[:700], images[700:1000], images[1000:1200])
    operation = operations_by_name([name])[0]
    calibrated = calibrate(operation, parts, seed=0, device=CPU)
    assert isinstance(calibrated, Calibrated)
    confusion = calibrated.confusion
    assert confusion.balanced_accuracy >= 0.7
    random = np.random.Generator(np.random.PCG64(0))
    for rate in (0, 0.1, 0.3):
        fakes = images[1200:].clone()
        operated, shown = operation.apply(
            fakes[: round(rate * len(fakes))], torch.Generator().manual_seed(1)
        )
        assert shown.all()
        fakes[: len(operated)] = operated
        found = estimate_rate(calibrated.probe.alarms(fakes).numpy(), confusion, random)
        assert found.low <= rate <= found.high, (rate, found)
        assert found.high - found.low < 0.3
    control = estimate_rate(calibrated.probe.alarms(parts.control).numpy(), confusion, random)
    assert control.low == 0


def test_leaks_of_a_run_looks_for_what_the_run_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_of: Callable[..., Path]
) -> None:
    monkeypatch.setattr(probe, "STEPS", 2)
    data = write_images(tmp_path / "data", random_images(24))
    layer = {"augment": {"mode": "fixed", "p": 0.5, "preset": "blit", "xint": 0, "cutout": 1}}
    run = run_of(data, tmp_path / "run", layer)
    record = leaks(open_diagnosis(str(run)))
    assert [entry["operation"] for entry in record["operations"]] == ["xflip", "rotate90", "cutout"]
    assert (record["highest_p"], record["warning"]) == (0.5, "")
    protocol = record["protocol"]
    stored = read_generator(run)
    assert protocol["generator_digest"] == tensors_digest(stored.generator.state_dict())
    sizes = [protocol[key] for key in ("n_control", "n_probe_test", "n_probe_training", "n_fake")]
    assert sizes == [5, 7, 12, 20]
    assert (protocol["seed"], protocol["truncation"], protocol["n_train"]) == (0, 1.0, 19)
    assert json.loads((run / "diagnostics" / "leaks.json").read_text()) == record
    assert Image.open(run / "diagnostics" / "leaks.png").width > 500
    assert "xflip" in summarise_leaks(record)
    assert leaks(open_diagnosis(str(run), out=tmp_path / "again")) == record


def test_diffusion_is_looked_for_at_the_largest_p_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_of: Callable[..., Path]
) -> None:
    seen: list[Operation] = []

    def remember(operation: Operation, *_: object, **__: object) -> dict[str, str]:
        seen.append(operation)
        return {"operation": operation.name, "cannot_be_told": "it was not tried"}

    monkeypatch.setattr("adavit.diagnostics.leaks.diagnosis.estimate_leak", remember)
    data = write_images(tmp_path / "data", random_images(24))
    layer = {"augment": {"mode": "fixed", "p": 0.3, "preset": "diffusion"}}
    opened = open_diagnosis(str(run_of(data, tmp_path / "run", layer)))
    unknown = replace(opened, images=replace(opened.images, highest_p=None))
    for diagnosis, strength in ((opened, 0.3), (unknown, 1.0)):
        for asked in ({}, {"operations": ["diffusion"]}, {"augment": "diffusion"}):
            leaks(diagnosis, **asked)  # type: ignore[arg-type]
            pipe = seen.pop().pipe
            assert isinstance(pipe, AugmentPipe)
            assert pipe.diffusion.multipliers.tolist() == pytest.approx([strength])
    assert not seen


def test_a_run_without_augmentation_is_only_searched_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_of: Callable[..., Path]
) -> None:
    monkeypatch.setattr(probe, "STEPS", 2)
    data = write_images(tmp_path / "data", random_images(24))
    run = run_of(data, tmp_path / "run", {"augment": {"mode": "none"}})
    with pytest.raises(UserError, match="nothing can have leaked"):
        leaks(open_diagnosis(str(run)))
    record = leaks(open_diagnosis(str(run), fakes=7), augment="noise")
    assert [entry["operation"] for entry in record["operations"]] == ["noise"]
    assert record["protocol"]["n_fake"] == 7
    said = "p never passed 0 up to this generator, so what is found here are probably"
    assert record["warning"].startswith(said)
    assert f"Warning: {said}" in summarise_leaks(record)


@pytest.mark.parametrize(
    ("operations", "augment", "apart"),
    [(["rotate"], "none", False), (None, "fixed", True)],
)
def test_a_low_p_is_told_of_the_pipe_beside_bcr(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_of: Callable[..., Path],
    operations: list[str] | None,
    augment: str,
    apart: bool,
) -> None:
    monkeypatch.setattr(
        "adavit.diagnostics.leaks.diagnosis.estimate_leak",
        lambda operation, *_, **__: {"operation": operation.name, "cannot_be_told": "not tried"},
    )
    data = write_images(tmp_path / "data", random_images(24))
    mode = {"mode": augment, "preset": "geom"} | ({"p": 0.02} if augment == "fixed" else {})
    layer = {"augment": mode, "data": {"resolution": 16}, "training": {"bcr_real": 10}}
    record = leaks(
        open_diagnosis(str(run_of(data, tmp_path / "run", layer))), operations=operations
    )
    assert record["warning"].startswith("p never passed 0")
    assert record["warning"].endswith("bcr xint apart, which has no p.") == apart


@pytest.mark.parametrize(
    ("layer", "expected", "strength"),
    [
        ({"training": {"bcr_real": 10, "bcr_generated": 10}}, "bcr xint", None),
        ({"features": {"network": "torchvision:resnet18", "p": 0.8}}, "diffusion", 0.8),
    ],
)
def test_no_low_p_is_told_of_what_was_augmented_without_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_of: Callable[..., Path],
    layer: dict[str, Any],
    expected: str,
    strength: float | None,
) -> None:
    seen: list[Operation] = []

    def remember(operation: Operation, *_: object, **__: object) -> dict[str, str]:
        seen.append(operation)
        return {"operation": operation.name, "cannot_be_told": "it was not tried"}

    monkeypatch.setattr("adavit.diagnostics.leaks.diagnosis.estimate_leak", remember)
    data = write_images(tmp_path / "data", random_images(24))
    base = {"augment": {"mode": "none", "preset": "diffusion"}, "data": {"resolution": 16}}
    opened = open_diagnosis(str(run_of(data, tmp_path / "run", base)))
    assert opened.images.highest_p == 0
    facts = RunFacts(resolution=Resolution.of(16), training_images=24, device="cpu")
    config = resolve(build_config([base, layer]), facts)
    record = leaks(replace(opened, images=replace(opened.images, config=config)))
    assert record["warning"] == ""
    (operation,) = seen
    assert operation.name == expected
    if strength is not None:
        assert isinstance(operation.pipe, AugmentPipe)
        assert operation.pipe.diffusion.multipliers.tolist() == pytest.approx([strength])


def test_the_largest_p_is_that_up_to_the_generator(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert _highest_p(run, 1000) is None
    for images, p in ((8, 0.0), (16, 0.04), (24, 0.01), (32, 0.3)):
        run.append(run.stats, {"images": images, "p": p})
    assert _highest_p(run, 0) == 0.0
    assert _highest_p(run, 20) == _highest_p(run, 24) == 0.04
    assert _highest_p(run, 25) == _highest_p(run, 99) == 0.3


def test_a_low_p_is_told_and_a_high_or_unknown_one_is_not() -> None:
    assert "never passed 0.015 up to" in p_warning(0.015)
    assert p_warning(0.05) == p_warning(None) == ""


def test_the_picture_tells_a_low_p_too() -> None:
    entries = [told("rotate", 0.268)]
    plain, warned = (draw_rates(entries, "title", text) for text in ("", p_warning(0.015)))
    dark = [
        (np.asarray(Image.open(io.BytesIO(png)).convert("L")) < 100).sum()
        for png in (plain, warned)
    ]
    assert dark[1] > dark[0] + 500  # the letters of the warning


def told(name: str, value: float, *, doubtful: bool = False) -> dict[str, Any]:
    rate = {"value": value, "low": value / 2, "high": 1.5 * value}
    return {
        "operation": name,
        "balanced_accuracy": 0.9,
        "rate": rate,
        "control_rate": {"value": 0.0, "low": 0.0, "high": 0.01},
        "doubtful": doubtful,
    }


def test_the_summary_names_rates_doubts_and_what_cannot_be_told() -> None:
    text = summarise_leaks(
        {
            "protocol": dict.fromkeys(
                ("n_fake", "n_probe_training", "n_probe_test", "n_control"), 1234
            ),
            "caution": "careful",
            "warning": "",
            "operations": [
                told("rotate", 0.1),
                told("scale", 0.2, doubtful=True),
                {
                    "operation": "xint",
                    "balanced_accuracy": 0.6,
                    "cannot_be_told": "too hard",
                },
            ],
        }
    )
    rows = {line.split()[0]: line for line in text.splitlines() if line}
    assert "10.0% (5.0 to 15.0%)" in rows["rotate"]
    assert "0.0% (0.0 to 1.0%)" in rows["rotate"]
    assert "doubtful" not in rows["rotate"]
    assert rows["scale"].endswith("doubtful")
    assert "0.60" in rows["xint"]
    assert rows["xint"].endswith("cannot be told: too hard")
    assert "1,234 generated images" in text


def test_columns_of_the_summary_do_not_run_together() -> None:
    widest = {"value": 1.0, "low": 1.0, "high": 1.0}
    entry = told("a_very_long_operation_of_kornia", 0.0) | {"rate": widest, "control_rate": widest}
    counts = dict.fromkeys(("n_fake", "n_probe_training", "n_probe_test", "n_control"), 2)
    record = {
        "protocol": counts,
        "caution": "",
        "warning": "",
        "operations": [entry, told("scale", 0.0)],
    }
    head, first, second = summarise_leaks(record).splitlines()[2:5]
    rate = "100.0% (100.0 to 100.0%)"
    assert first.split("  ")[-2:] == [rate, rate]
    assert re.split(" {2,}", head) == [
        "operation",
        "accuracy",
        "generated images",
        "held-out real images",
    ]
    assert head.index("generated") == first.index(rate) == second.index("0.0% (")
