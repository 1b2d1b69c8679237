from typing import Any

import pytest
import torch

from adavit.build.networks import build_networks
from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.config.run import ResolvedConfig
from adavit.errors import RunError
from adavit.training.start.footprint import check_memory, least_bytes

CPU = torch.device("cpu")


def config(*layers: dict[str, Any], resolution: int = 32) -> ResolvedConfig:
    return resolve(build_config(layers), RunFacts(resolution, 100, "cpu"))


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


@pytest.mark.parametrize("resolution", [16, 64])
@pytest.mark.parametrize(
    "discriminator",
    [
        {"kind": "resnet"},
        {"kind": "resnet", "form": "plain"},
        {"kind": "vit"},
        {"kind": "vit", "stem": "linear", "attention": "l2"},
    ],
    ids=["residual", "plain", "vit", "l2"],
)
def test_the_bound_is_below_what_passes_keep_and_near_it(
    discriminator: dict[str, Any], resolution: int
) -> None:
    run = config({"discriminator": discriminator, "training": {"batch": 6}}, resolution=resolution)
    counted = kept_for_backward(run)
    assert 0.5 * counted < least_bytes(run) < counted * 1.02


def test_a_microbatch_holds_less_and_a_batch_still_its_images() -> None:
    whole = least_bytes(config({"training": {"batch": 4096}}))
    parts = least_bytes(config({"training": {"batch": 4096, "microbatch": 1}}))
    assert 4096 * 32**2 < parts < whole / 100


def test_what_does_not_fit_is_refused_with_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    run = config({"training": {"batch": 8}})
    least = least_bytes(run)
    for free in (None, least):
        monkeypatch.setattr(
            "adavit.training.start.footprint.free_bytes", lambda device, free=free: free
        )
        check_memory(run, CPU)
    monkeypatch.setattr("adavit.training.start.footprint.free_bytes", lambda device: least - 1)
    with pytest.raises(RunError, match=r"a microbatch of 8 images of 32 px .*smaller --microbatch"):
        check_memory(run, CPU)


def test_any_batch_is_reckoned_with() -> None:
    with pytest.raises(RunError, match="at least over a billion GB"):
        check_memory(config({"training": {"batch": 10**22}}), CPU)
