from collections.abc import Callable
from typing import Any

import pytest
import torch

from adavit.config.auto import RunFacts, resolve
from adavit.config.pretraining import (
    PretrainConfig,
    PretrainingConfig,
    build_pretrain_config,
    resolve_pretraining,
)
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.errors import RunError
from adavit.pretraining import footprint, loop
from adavit.pretraining.footprint import (
    check_pretraining_memory,
    least_pretraining_bytes,
    most_pretraining_bytes,
    pretraining_bytes,
)
from adavit.pretraining.pretrain import pretrain
from adavit.runtime.resolution import Resolution
from adavit.training.start.footprint import StepTooLarge, check_memory, taken_bytes
from adavit.training.start.live_bytes import LiveBytes

CPU = torch.device("cpu")


def settings(
    resolution: int, batch: int, precision: str = "float32", **discriminator: Any
) -> tuple[ResolvedConfig, PretrainingConfig]:
    pretraining = {"batch": batch, "precision": precision}
    given = build_pretrain_config([{"pretraining": pretraining}])
    network = {"kind": "vit", "minibatch_std_group": 0, **discriminator}
    run = RunConfig.model_validate({"discriminator": network, "training": {"precision": precision}})
    facts = RunFacts(Resolution.of(resolution), 100, "cpu")
    return resolve(run, facts), resolve_pretraining(given.pretraining, device="cpu")


@pytest.mark.parametrize(
    ("precision", "batch", "kind"),
    [
        *(("float32", 8, "rgb"), ("float32", 24, "rgb"), ("bf16", 8, "rgb"), ("bf16", 24, "rgb")),
        *(("float32", 24, "grey"), ("float32", 24, "rgba")),
    ],
)
def test_what_is_counted_is_what_steps_hold(
    tiny: Callable[..., PretrainConfig],
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    batch: int,
    kind: str,
) -> None:
    layer = {
        "data": {"channels": kind},
        "pretraining": {"precision": precision, "batch": batch, "total_kimg": 0.06},
    }
    steps: list[int] = []
    step = loop.PretrainingLoop._train_on_one_batch

    def watched(self: loop.PretrainingLoop) -> None:
        networks = [*self.encoder.parameters(), *self.head.parameters()]
        kept = [tensor for state in self.optimizer.state.values() for tensor in state.values()]
        gradients = [weight.grad for weight in networks if weight.grad is not None]
        with LiveBytes([*networks, *self.encoder.buffers(), *kept, *gradients]) as alive:
            step(self)
        steps.append(alive.peak)

    monkeypatch.setattr(loop.PretrainingLoop, "_train_on_one_batch", watched)
    pretrain(tiny(layer))
    network = tiny().discriminator.model_dump(
        exclude={"kind", "minibatch_std_group"}, warnings=False
    )
    channels = {"grey": 1, "rgb": 3, "rgba": 4}[kind]
    counted = pretraining_bytes(*settings(16, batch, precision, **network), channels)
    assert counted == pytest.approx(max(steps), rel=0.1)


@pytest.mark.parametrize(
    "given",
    [
        settings(32, 64),
        settings(512, 16),
        settings(512, 1, width=8, depth=1, heads=1),
        settings(32, 64, "bf16", patch=2, width=32, heads=4, depth=1),
        settings(16, 8, width=512, heads=8),
    ],
    ids=["usual", "large", "thin", "patches of 2 px", "wide"],
)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_bounds_hold_what_is_counted(
    given: tuple[ResolvedConfig, PretrainingConfig], channels: int
) -> None:
    counted = pretraining_bytes(*given, channels)
    assert least_pretraining_bytes(*given) <= counted <= most_pretraining_bytes(*given, channels)


def test_memory_is_that_of_its_own_steps_and_not_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    given = settings(512, 1)
    expected = taken_bytes(pretraining_bytes(*given, 3), given[0], CPU)
    for module in ("adavit.pretraining", "adavit.training.start"):
        monkeypatch.setattr(f"{module}.footprint.free_bytes", lambda _: 2 * expected)
    with pytest.raises(StepTooLarge):
        check_memory(given[0], CPU)
    check_pretraining_memory(*given, CPU, 3)
    monkeypatch.setattr(footprint, "free_bytes", lambda _: expected // 2)
    with pytest.raises(RunError, match="pre-training on one image of 512 px or more needs about"):
        check_pretraining_memory(*given, CPU, 3)
    with pytest.raises(RunError, match="a batch of 64 images of 512 px"):
        check_pretraining_memory(*settings(512, 64), CPU, 3)


def test_memory_is_that_of_the_kinds_of_patches_that_images_can_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # 8 kinds of grey patches, 4,096 of RGBA.
    given = settings(128, 256, patch=4, width=32, depth=2, heads=2)
    monkeypatch.setattr(footprint, "free_bytes", lambda _: 2_200_000_000)
    check_pretraining_memory(*given, CPU, 1)
    monkeypatch.setattr(footprint, "free_bytes", lambda _: 4_000_000_000)
    check_pretraining_memory(*given, CPU, 3)
    with pytest.raises(RunError, match="but 4 GB are free"):
        check_pretraining_memory(*given, CPU, 4)


def test_a_batch_that_nothing_holds_is_refused_without_counting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(footprint, "free_bytes", lambda _: 10**12)
    with pytest.raises(RunError, match=r"needs at least .* smaller --batch"):
        check_pretraining_memory(*settings(32, 10**22), CPU, 1)
    monkeypatch.setattr(footprint, "free_bytes", lambda _: None)
    check_pretraining_memory(*settings(32, 10**22), CPU, 1)
