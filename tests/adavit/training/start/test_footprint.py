import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from adavit.build.augmentation import build_pipe
from adavit.build.critic import build_critic_on
from adavit.build.networks import build_networks
from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.config.run import ResolvedConfig
from adavit.errors import RunError
from adavit.features.choice import find_network
from adavit.features.teachers import unread_teacher
from adavit.runtime.imagined_world import ImaginedWorld
from adavit.runtime.resolution import Resolution
from adavit.runtime.wording import size
from adavit.training.objectives.build import build_extras
from adavit.training.objectives.feature_critic import FeatureObjective
from adavit.training.objectives.losses import LOSSES
from adavit.training.passes.streams import StepStreams
from adavit.training.start import footprint
from adavit.training.start.footprint import (
    CERTAIN,
    HOPELESS,
    NEAR,
    OVERHEAD,
    StepTooLarge,
    check_memory,
    distillation_bytes,
    expected_bytes,
    features_bytes,
    least_bytes,
)
from adavit.training.start.imagined_step import ImaginedStep
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.average import GeneratorAverage
from adavit.training.step.reduction import Fast, InOrder
from adavit.training.step.slice_pass import as_written

CPU = torch.device("cpu")
counted_bytes = functools.cache(footprint.counted_bytes)
"""Counting takes a second or more, and a test asks for the same settings up to five times."""


@pytest.fixture(autouse=True)
def counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "counted_bytes", counted_bytes)


def config(*layers: dict[str, Any], resolution: int | str = 32) -> ResolvedConfig:
    return resolve(build_config(layers), RunFacts(Resolution.of(resolution), 100, "cpu"))


def kept_for_backward(run: ResolvedConfig) -> int:
    """Bytes that the passes of the generator's step keep, counted while they run."""
    generator, discriminator = build_networks(run, image_channels=3, num_classes=0)
    kept: dict[int, int] = {}
    keeping = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        keeping.append(tensor)  # so that no address is used twice
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        discriminator(generator(torch.randn(run.training.batch, run.generator.latent_dim)))
    return sum(kept.values())


@pytest.mark.parametrize("resolution", [16, 64, "24x40", "48x32"])
@pytest.mark.parametrize(
    "discriminator",
    [
        {"kind": "resnet"},
        {"kind": "resnet", "form": "plain"},
        {"kind": "vit"},
        {"kind": "vit", "stem": "linear", "attention": "l2"},
        {"kind": "vit", "patch": "2x8"},
    ],
    ids=["residual", "plain", "vit", "l2", "oblong"],
)
def test_the_bound_is_below_what_passes_keep_and_near_it(
    discriminator: dict[str, Any], resolution: int | str
) -> None:
    run = config({"discriminator": discriminator, "training": {"batch": 6}}, resolution=resolution)
    counted = kept_for_backward(run)
    assert 0.5 * counted < least_bytes(run) < counted * 1.02


def test_a_microbatch_holds_less_and_a_batch_still_its_images() -> None:
    whole = least_bytes(config({"training": {"batch": 4096}}))
    parts = least_bytes(config({"training": {"batch": 4096, "microbatch": 1}}))
    assert 4096 * 32**2 < parts < whole / 100


FREE = "adavit.training.start.footprint.free_bytes"


def test_what_does_not_fit_is_refused_with_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    run = config({"training": {"batch": 8}})
    expected = expected_bytes(run)
    certain = int(CERTAIN * expected)
    assert least_bytes(run) < counted_bytes(run) < expected
    assert least_bytes(run) < certain
    for free in (None, certain, expected):
        monkeypatch.setattr(FREE, lambda device, free=free: free)
        check_memory(run, CPU)
    monkeypatch.setattr(FREE, lambda device: certain - 1)
    with pytest.raises(
        RunError, match=r"a microbatch of 8 images of 32 px .*smaller --microbatch"
    ) as caught:
        check_memory(run, CPU)
    assert f"needs about {size(expected)}, but {size(certain - 1)} are free" in str(caught.value)
    assert isinstance(caught.value, StepTooLarge)
    assert caught.value.what.endswith("Expected room for one microbatch.")
    assert str(caught.value).startswith(caught.value.what)


def test_the_memory_of_a_machine_is_shared_by_its_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = config({"training": {"batch": 8}})
    expected = expected_bytes(run)
    monkeypatch.setattr(FREE, lambda device: 2 * expected)
    check_memory(run, CPU)
    for name, value in {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StepTooLarge, match=f"but {size(2 * expected // 4)} are free"):
        check_memory(run, CPU)


def test_processes_to_come_share_the_memory_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    run = config({"training": {"batch": 8}})
    monkeypatch.setattr(FREE, lambda device: 2 * NEAR * least_bytes(run))
    check_memory(run, CPU, 2)
    monkeypatch.setattr(FREE, lambda device: 2 * least_bytes(run) // HOPELESS - 2)
    with pytest.raises(RunError, match=f"but {size(least_bytes(run) // HOPELESS - 1)} are free"):
        check_memory(run, CPU, 2)


@pytest.mark.parametrize("times", [1 / HOPELESS, NEAR])
def test_nothing_is_counted_where_the_formula_suffices(
    monkeypatch: pytest.MonkeyPatch, times: float
) -> None:
    run = config({"training": {"batch": 8}})
    monkeypatch.setattr("adavit.training.start.footprint.counted_bytes", None)
    monkeypatch.setattr(FREE, lambda device: int(times * least_bytes(run)) - (times < 1))
    if times > 1:
        check_memory(run, CPU)
        return
    with pytest.raises(RunError, match=f"needs at least {size(least_bytes(run))}"):
        check_memory(run, CPU)


@pytest.mark.parametrize("training", [{"compile": True}, {}])
def test_what_cannot_be_counted_is_held_to_the_formula(
    monkeypatch: pytest.MonkeyPatch, training: dict[str, Any]
) -> None:
    run = config({"training": training})

    def unnameable(config: ResolvedConfig, device: torch.device, processes: int) -> int:
        assert not training
        raise RuntimeError("Storage size calculation overflowed")

    monkeypatch.setattr("adavit.training.start.footprint.counted_bytes", unnameable)
    monkeypatch.setattr(FREE, lambda device: least_bytes(run))
    check_memory(run, CPU)
    monkeypatch.setattr(FREE, lambda device: least_bytes(run) - 1)
    with pytest.raises(RunError, match="needs at least"):
        check_memory(run, CPU)


def allocated(run: ResolvedConfig) -> int:
    """The most bytes that the allocator of torch has given out in a real step, from weights to moments."""
    resolution, batch = run.data.resolution, run.training.batch
    features, objective, there = run.features, None, 0
    if features.network is not None:  # made before: while it is cut off there is more of it
        network = find_network(features.network).unread(
            side=features.side, maps=features.maps, class_token=features.class_token
        )
        san = run.training.san
        critic = build_critic_on(network, features, num_classes=0, san=san)
        objective = FeatureObjective(critic, LOSSES[features.loss], weight=1, pipe=None)
        tensors = itertools.chain(critic.state_dict().values(), network.state_dict().values())
        there = sum(tensor.nbytes for tensor in tensors)
    teacher = None
    if run.training.distill_weight:
        patch = run.discriminator.patch  # type: ignore[union-attr]
        shape = {"resolution": resolution, "image_channels": 3, "patch": patch}
        teacher = unread_teacher(run.training.distill_network, **shape).to_empty(device="cpu")
        there += sum(tensor.nbytes for tensor in teacher.state_dict().values())
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        generator, discriminator = build_networks(run, image_channels=3, num_classes=0)
        average = GeneratorAverage(generator, half_life_kimg=5, ramp=None)
        step = AdversarialStep(
            generator=generator,
            discriminator=discriminator,
            average=average,
            pipe=build_pipe(run.augment),
            generator_lr=1e-3,
            discriminator_lr=1e-3,
            betas=(0.0, 0.99),
            warmup_images=0,
            microbatch=run.training.microbatch,
            autocast=torch.bfloat16 if run.training.precision == "bf16" else None,
            computation=as_written,
            loss=LOSSES[run.training.loss],
            features=objective,
            **build_extras(
                run.training,
                epoch_images=100,
                coarse=False,
                teacher=teacher,
                chain=getattr(discriminator, "chain", None),
            ),
        )
        for number in range(2):
            real = torch.zeros(batch, 3, *resolution)
            step(real, None, images=0, streams=StepStreams.at(0, number))
    changes = [
        event.nbytes()
        for event in profiler.profiler.kineto_results.events()
        if event.name() == "[memory]"
    ]
    return there + max(itertools.accumulate(changes))


@pytest.mark.parametrize(
    ("discriminator", "training"),
    [
        ({"kind": "resnet"}, {"batch": 12}),
        ({"kind": "resnet", "normalization": "chain"}, {"batch": 12}),
        ({"kind": "resnet", "form": "r3gan"}, {"loss": "relativistic", "batch": 4}),
        ({"kind": "resnet", "form": "plain"}, {"r1_gamma": 0, "batch": 4}),
        ({"kind": "resnet"}, {"path_length": 2, "batch": 4}),
        ({"kind": "resnet"}, {"precision": "bf16", "batch": 8}),
        ({"kind": "resnet"}, {"batch": 16, "microbatch": 4}),
        ({"kind": "resnet"}, {"batch": 8, "microbatch": 1, "r1_gamma": 0}),
        ({"kind": "vit"}, {"batch": 4}),
        ({"kind": "vit", "stem": "linear", "attention": "l2"}, {"batch": 4}),
    ],
    ids=[
        "residual",
        "chain",
        "r3gan",
        "without R1",
        "path length",
        "bf16",
        "microbatch",
        "eight",
        "vit",
        "l2",
    ],
)
def test_what_is_counted_is_what_a_step_is_given(
    discriminator: dict[str, Any], training: dict[str, Any]
) -> None:
    run = config({"discriminator": discriminator, "training": training})
    assert 0.9 < counted_bytes(run) / allocated(run) < 1.1


@pytest.fixture
def seeing(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Makes settings of a critic on a network of torchvision; its weights are not read."""

    def make(name: str, **settings: Any) -> dict[str, Any]:
        (tmp_path / name).touch()
        return {"features": {"network": f"torchvision:{name}:{tmp_path / name}", **settings}}

    return make


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings", "training"),
    [
        ("squeezenet1_1", {"width": 32}, {"batch": 12}),
        ("mobilenet_v3_small", {"mixing": "scales", "side": 128}, {"batch": 8, "microbatch": 4}),
    ],
)
def test_what_a_frozen_network_and_its_heads_take_is_counted(
    seeing: Callable[..., dict[str, Any]],
    name: str,
    settings: dict[str, Any],
    training: dict[str, Any],
) -> None:
    run = config(seeing(name, **settings), {"training": training})
    counted, found = counted_bytes(run), allocated(run)
    assert 0.9 < counted / found < 1.1
    without = counted_bytes(config({"training": training}))
    assert without < 0.77 * found  # so much is not the networks that are trained
    assert features_bytes(run) == pytest.approx(OVERHEAD["float32"] * (counted - without), abs=2)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [2, 8])
def test_what_a_teacher_takes_is_counted(batch: int) -> None:
    taught = {"distill_weight": 1, "distill_width": 512}
    vit = {"discriminator": {"kind": "vit", "patch": 4}}
    run = config(vit, {"training": {"batch": batch, **taught}})
    counted, found = counted_bytes(run), allocated(run)
    assert 0.9 < counted / found < 1.1
    without = counted_bytes(config(vit, {"training": {"batch": batch}}))
    added = counted - without
    weights = 12 * (12 * 768**2 + 15 * 768) * 4
    assert weights < added
    assert distillation_bytes(run) == pytest.approx(OVERHEAD["float32"] * added, abs=2)


@pytest.mark.slow
def test_a_transformer_of_timm_teaches_at_its_own_price() -> None:
    pytest.importorskip("timm", reason="timm is not installed")
    vit = {"discriminator": {"kind": "vit", "patch": 8}}
    small, large = (
        counted_bytes(
            config(vit, {"training": {"distill_weight": 1, "distill_network": f"timm:{name}"}})
        )
        for name in ("deit_tiny_patch16_224", "deit_small_patch16_224")
    )
    blocks = (12 * 12 * (384**2 - 192**2)) * 4
    assert blocks < large - small < 1.5 * blocks


def test_a_published_trunk_is_counted_as_the_discriminator_that_it_makes() -> None:
    vit = {"discriminator": {"kind": "vit"}, "training": {"batch": 2}}
    published = {"training": {"init_discriminator": "torchvision:vit_b_16"}}
    weights = 12 * 12 * 768**2 * 4
    assert counted_bytes(config(vit, published)) > 4 * weights  # gradients and two moments too
    assert counted_bytes(config(vit)) < weights


def test_a_teacher_is_counted_where_the_largest_would_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vit = {"discriminator": {"kind": "vit", "patch": 8}}
    run = config(vit, {"training": {"batch": 2, "distill_weight": 1}})
    expected = expected_bytes(run)
    assert expected > NEAR * least_bytes(run)
    monkeypatch.setattr(FREE, lambda device: int(CERTAIN * expected) - 1)
    with pytest.raises(RunError, match=f"needs about {size(expected)}"):
        check_memory(run, CPU)
    monkeypatch.setattr(FREE, lambda device: expected)
    check_memory(run, CPU)


@pytest.mark.slow
def test_a_projected_discriminator_is_counted_once(seeing: Callable[..., dict[str, Any]]) -> None:
    critic = seeing("squeezenet1_1", width=32)
    batch = {"training": {"batch": 8}}
    alone, beside = (
        counted_bytes(config(critic, batch, {"discriminator": {"kind": kind}}))
        for kind in ("projected", "resnet")
    )
    without = counted_bytes(config(batch))
    assert beside - without < alone < beside
    added = [
        features_bytes(config(critic, batch, {"discriminator": {"kind": kind}}))
        for kind in ("projected", "resnet")
    ]
    assert added[0] == pytest.approx(added[1], rel=0.1)  # the same heads on the same maps


def test_a_frozen_network_is_counted_where_the_largest_would_not_fit(
    seeing: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = config(seeing("resnet18", side=224), {"training": {"batch": 8}})
    expected = expected_bytes(run)
    assert expected > NEAR * least_bytes(run)  # by the formula for the other networks alone it fits
    monkeypatch.setattr(FREE, lambda device: int(CERTAIN * expected) - 1)
    with pytest.raises(RunError, match=f"needs about {size(expected)}"):
        check_memory(run, CPU)
    monkeypatch.setattr(FREE, lambda device: expected)
    check_memory(run, CPU)
    monkeypatch.setattr("adavit.training.start.footprint.counted_bytes", None)
    monkeypatch.setattr(FREE, lambda device: 64 * 2**30)
    check_memory(run, CPU)


def test_any_batch_is_reckoned_with() -> None:
    with pytest.raises(RunError, match="at least over a billion GB"):
        check_memory(config({"training": {"batch": 10**22}}), CPU)


@pytest.mark.parametrize("fast", [False, True])
def test_of_several_processes_it_is_the_step_of_one_of_them(fast: bool) -> None:
    run = config({"training": {"batch": 32, "microbatch": 4, "fast_reduce": fast}})
    world = ImaginedWorld(8)
    reduction = Fast(world) if fast else InOrder(world)
    of_one_of_them = ImaginedStep(run, reduction=reduction).of(0).peak
    assert footprint.counted_bytes(run, CPU, 8) == of_one_of_them
    assert of_one_of_them < footprint.counted_bytes(run)
