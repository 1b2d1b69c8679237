"""What a run needs before its first step."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from adavit.config.run import ResolvedConfig, RunConfig
from adavit.config.training import TrainingConfig
from adavit.data import load_images
from adavit.errors import UserError
from adavit.runtime import processor
from adavit.runtime.console import SilentConsole
from adavit.training.start import memory_choice
from adavit.training.start import workload as start_workload
from adavit.training.start.workload import (
    absolute_source,
    load_workload,
    prepare,
    total_images,
    with_evaluators,
)
from tests.processors import AMD_ZEN4, INTEL_AMX, INTEL_WITHOUT
from tests.telling import Told

Tiny = Callable[..., RunConfig]


def test_loading_chooses_everything_and_looks_for_no_weights(tiny: Tiny, tmp_path: Path) -> None:
    absent = {"metrics": {"extractor": "inception", "inception_weights": str(tmp_path / "none")}}
    notes = Told()
    workload = load_workload(tiny(absent), notes)
    assert isinstance(workload.config, ResolvedConfig)
    assert workload.evaluators == ()
    assert workload.config.metrics.names == ("fid", "kid")
    assert workload.config.data.resolution.plain == 16
    assert (len(workload.split.train), len(workload.split.heldout)) == (50, 10)
    assert any("Training on 50 images; 10 held out." in line for line in notes.notes)
    with pytest.raises(UserError, match="inception"):
        with_evaluators(workload, notes)


def test_some_of_the_images_are_of_every_class(tiny: Tiny) -> None:
    workload = load_workload(tiny(), SilentConsole())
    labels = np.repeat([0, 1, 2], [30, 20, 10])  # sorted, as files in folders are
    sorted_set = replace(workload.image_set, labels=labels, classes=("a", "b", "c"))
    workload = replace(workload, image_set=sorted_set)
    everything = np.arange(60)
    drawn = workload.some_of(everything, 12)
    assert np.bincount(labels[drawn]).tolist() == [6, 4, 2]
    assert workload.some_of(everything, 60).tolist() == everything.tolist()
    unlabelled = replace(workload, image_set=replace(sorted_set, labels=None, classes=()))
    assert max(unlabelled.some_of(everything[10:], 12)) > 40
    assert min(unlabelled.some_of(everything[10:], 12)) >= 10


def test_the_evaluator_names_its_network_in_the_configuration(tiny: Tiny) -> None:
    workload = load_workload(tiny({"metrics": {"extractor": "auto"}}), SilentConsole())
    ready = with_evaluators(
        load_workload(tiny({"metrics": {"extractor": "random"}}), SilentConsole()), SilentConsole()
    )
    assert workload.config.metrics.extractor == ("auto",)
    (evaluator,) = ready.evaluators
    assert ready.config.metrics.extractor == (evaluator.extractor.name,) == ("random",)
    unmeasured = prepare(tiny({"metrics": {"names": []}}), SilentConsole())
    assert unmeasured.evaluators == ()
    assert unmeasured.config.metrics.extractor == ("random",)


def test_labels_are_counted_over_training_images_where_networks_are_conditioned(tiny: Tiny) -> None:
    plain = load_workload(tiny(), SilentConsole())
    assert (plain.num_classes, plain.label_counts) == (0, None)
    conditioned = load_workload(tiny({"data": {"cond": True}}), SilentConsole())
    counts = conditioned.label_counts
    assert counts is not None
    assert sum(counts) == 50
    labels = conditioned.image_set.labels[conditioned.split.train]
    assert counts == [int((labels == index).sum()) for index in (0, 1)]


def test_a_label_says_what_a_run_is(tiny: Tiny) -> None:
    assert load_workload(tiny(), SilentConsole()).label == "pictures-vit-bgc"
    none = {"augment": {"mode": "none", "initial_p": "auto"}}
    assert load_workload(tiny(none), SilentConsole()).label == "pictures-vit-noaug"


@pytest.mark.parametrize(
    ("kimg", "batch", "images"), [(0.064, 8, 64), (0.065, 8, 72), (0.001, 8, 8), (1, 48, 1008)]
)
def test_a_run_ends_with_a_whole_batch(kimg: float, batch: int, images: int) -> None:
    training = TrainingConfig.model_construct(total_kimg=kimg, batch=batch)
    assert total_images(training) == images


def test_a_path_means_the_same_from_another_folder_and_a_name_stays(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    assert absolute_source("cats") == str((tmp_path / "cats").resolve())
    assert absolute_source("small_set") == "small_set"


UNITS = (
    "Calculating in bf16, for which this processor has units that are faster; --set training.precision=float32 keeps"
    " to float32."
)


@pytest.mark.parametrize(
    ("text", "given", "precision", "said"),
    [
        (INTEL_AMX, {}, "bf16", UNITS),
        (INTEL_AMX, {"training": {"precision": "auto"}}, "bf16", UNITS),
        (INTEL_AMX, {"training": {"precision": "float32"}}, "float32", None),
        (INTEL_AMX, {"training": {"precision": "bf16"}}, "bf16", None),
        (AMD_ZEN4, {}, "bf16", UNITS),
        (AMD_ZEN4, {"training": {"precision": "float32"}}, "float32", None),
        (INTEL_WITHOUT, {}, "float32", None),
        (AMD_ZEN4, {"training": {"precision": "bf16"}}, "bf16", None),
        ("", {}, "float32", None),
    ],
)
def test_the_plan_says_why_a_processor_calculates_in_bf16(
    tiny: Tiny,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    given: dict[str, dict[str, str]],
    precision: str,
    said: str | None,
) -> None:
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text(text)
    foreseen = list[str]()
    monkeypatch.setattr(
        start_workload,
        "check_memory",
        lambda config, *_: foreseen.append(config.training.precision),
    )
    notes = Told()
    config = load_workload(tiny(given), notes).config
    assert config.training.precision == precision
    assert [line for line in notes.notes if "Calculating" in line] == [said] * (said is not None)
    assert foreseen == [precision] * 2  # before the images are read, and when they are known


@pytest.mark.parametrize(
    ("native", "given", "said"),
    [
        (True, {}, None),
        (False, {}, "Calculating in float32, since this device only emulates bf16."),
        (False, {"training": {"precision": "float32"}}, None),
        (False, {"training": {"precision": "bf16"}}, None),
    ],
)
def test_the_plan_says_why_a_cuda_device_calculates_in_float32(
    tiny: Tiny,
    monkeypatch: pytest.MonkeyPatch,
    native: bool,
    given: dict[str, dict[str, str]],
    said: str | None,
) -> None:
    cuda = torch.device("cuda")
    monkeypatch.setattr(start_workload, "choose_device", lambda _: cuda)
    monkeypatch.setattr(start_workload, "has_bf16", lambda _: native)
    monkeypatch.setattr(start_workload, "check_memory", lambda *_: None)
    images, notes = load_images("small_set:100", resolution=16), Told()
    config = load_workload(tiny(given), notes, load=lambda *_: images).config
    assert config.training.precision == given.get("training", {}).get(
        "precision", "bf16" if native else "float32"
    )
    assert [line for line in notes.notes if "Calculating" in line] == [said] * (said is not None)


def test_memory_is_foreseen_of_the_slices_that_processes_will_take(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def check(config: ResolvedConfig, device: torch.device, processes: int) -> None:
        asked.append((config.training.images_at_a_time, processes))

    monkeypatch.setattr(start_workload, "check_memory", check)
    load_workload(tiny({"training": {"batch": 8}}), SilentConsole(), processes=2)
    # Before the images are read, and when they are known.
    assert asked == [(4, 2), (4, 2)]


def test_memory_that_is_to_choose_the_microbatch_is_not_held_against_the_whole_batch(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(
        start_workload, "check_memory", lambda config, *_: asked.append(config.training.microbatch)
    )
    monkeypatch.setattr(memory_choice, "held_before", lambda _: 0)
    monkeypatch.setattr(
        memory_choice, "expected_bytes", lambda config, *_: 10**6 * config.training.microbatch
    )
    layer = {"data": {"resolution": 16}, "training": {"batch": 64}, "run": {"memory": "5MB"}}
    assert load_workload(tiny(layer), SilentConsole()).config.training.microbatch == 4
    assert asked == [4]
