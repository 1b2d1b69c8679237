"""The figures of a whole inspection; what the command says of them is in `tests/cli/test_inspect.py`."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.config.run import RunConfig
from adavit.diagnostics.discriminator.inspected_images import (
    ImagesOfOneKind,
    InspectedImages,
    OpenedInspection,
)
from adavit.diagnostics.discriminator.inspection import inspect
from adavit.diagnostics.discriminator.saliency import gradient_norms, input_gradients
from adavit.diagnostics.discriminator.summary import summarise_inspection
from adavit.runtime.console import SilentConsole
from adavit.runtime.resolution import Resolution
from adavit.training.trained_networks import TrainedNetworks
from tests.networks import make_generator, make_resnet

CPU = torch.device("cpu")
SIZES = {"resolution": 8, "channel_base": 64, "channel_max": 8}


def inspect_run(
    network: nn.Module, images: torch.Tensor, folder: Path, config: RunConfig
) -> dict[str, Any]:
    """The record of a run whose generator draws just what it was trained on."""
    side = ImagesOfOneKind(images, None)
    run = TrainedNetworks(
        name="run",
        folder=folder,
        config=resolve(config, RunFacts(Resolution.of(8), len(images), "cpu")),
        discriminator=network,
        critic=None,
        generator=make_generator(**SIZES),
        images=0,
        data_fingerprint="",
        warnings=[],
    )
    protocol = {"source": "run", "images_seen": 0, "data": "pictures"}
    shown = InspectedImages({"training": side, "generated": side}, protocol)
    return inspect(OpenedInspection(run, shown, folder / "out", CPU, SilentConsole()))


@pytest.mark.parametrize("group", [4, 16])
def test_the_saliency_is_that_of_groups_of_different_images(group: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = make_resnet(**SIZES, minibatch_std_group=group).eval().requires_grad_(False)
    images = torch.rand(17, 3, 8, 8) * 2 - 1
    record = inspect_run(network, images, tmp_path, RunConfig())

    def norms(part: torch.Tensor) -> torch.Tensor:
        return gradient_norms(input_gradients(network, part, None))

    at_once = 8 if group == 4 else 16
    whole = [norms(part) for part in images[:16].split(at_once)]
    expected = torch.cat([*whole, norms(images[-at_once:])[-1:]])
    found = record["saliency"]["training"]
    assert found["images"] == 17
    assert found["gradient_norm"]["mean"] == pytest.approx(float(expected.mean()), rel=1e-4)
    assert found["gradient_norm"]["std"] == pytest.approx(
        float(expected.std(correction=0)), rel=1e-4
    )


@pytest.mark.parametrize("loss", ["relativistic", "wasserstein"])
def test_of_a_loss_without_a_threshold_no_sign_is_told(loss: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = make_resnet(**SIZES, minibatch_std_group=0).eval().requires_grad_(False)
    config = build_config([{"training": {"loss": loss}}])
    record = inspect_run(network, torch.rand(9, 3, 8, 8) * 2 - 1, tmp_path, config)
    assert record["logits"]["r_relative"] == 0
    assert record["logits"]["training"]["auc"] == 0.5
    assert not {"r_t", "accuracy"} & record["logits"].keys()
    assert "share_above_0" not in record["logits"]["training"]
    assert "above 0" not in summarise_inspection(record)
