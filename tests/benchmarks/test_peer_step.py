"""The step of another trainer, on a tiny one with the same names."""

import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from adavit.training.passes.streams import StepStreams
from benchmarks.peer_step import PeerStep, folder
from benchmarks.train_speed import Row, beside_eager, beside_peer

NETWORKS = """
    import torch

    class Generator(torch.nn.Module):
        def __init__(self, z_dim, c_dim, w_dim, img_resolution, img_channels, mapping_kwargs, synthesis_kwargs):
            super().__init__()
            assert mapping_kwargs == {"num_layers": 2} and synthesis_kwargs["channel_max"] == 4
            self.mapping = torch.nn.Linear(z_dim, w_dim)
            self.synthesis = torch.nn.Sequential(
                torch.nn.Linear(w_dim, img_channels * img_resolution**2),
                torch.nn.Unflatten(1, (img_channels, img_resolution, img_resolution)))
            self.register_buffer("w_avg", torch.zeros(w_dim))

    class Discriminator(torch.nn.Module):
        def __init__(self, c_dim, img_resolution, img_channels, architecture, channel_base, channel_max,
                     num_fp16_res, epilogue_kwargs):
            super().__init__()
            self.layer = torch.nn.Linear(img_channels * img_resolution**2, 1)

        def forward(self, img):
            return self.layer(img.flatten(1)).sigmoid()
"""
AUGMENT = """
    import torch

    class AugmentPipe(torch.nn.Module):
        def __init__(self, xflip, rotate90, xint, scale, rotate, aniso, xfrac, brightness, contrast, lumaflip, hue,
                     saturation):
            super().__init__()
            self.register_buffer("p", torch.ones([]))

        def forward(self, img):
            return img * (1 - self.p)
"""
LOSS = """
    import torch

    class StyleGAN2Loss:
        def __init__(self, device, G_mapping, G_synthesis, D, augment_pipe, style_mixing_prob, r1_gamma, pl_weight):
            self.mapping, self.synthesis, self.D, self.pipe = G_mapping, G_synthesis, D, augment_pipe
            self.gamma, self.phases = r1_gamma, []

        def accumulate_gradients(self, phase, real_img, real_c, gen_z, gen_c, sync, gain):
            assert real_c.shape == gen_c.shape == (len(real_img), 0)
            self.phases.append((phase, gain))
            see = lambda img: self.D(img if self.pipe is None else self.pipe(img))
            if phase == "Dreg":
                real = real_img.detach().requires_grad_()
                slope, = torch.autograd.grad(see(real).sum(), real, create_graph=True)
                (slope.square().sum() * self.gamma * gain).backward()
                return
            made = see(self.synthesis(self.mapping(gen_z)))
            (-made if phase == "Gmain" else made - see(real_img)).mean().backward()
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "training").mkdir()
    for name, text in (("networks", NETWORKS), ("augment", AUGMENT), ("loss", LOSS)):
        (tmp_path / "training" / f"{name}.py").write_text(textwrap.dedent(text))
    kept = list(sys.path)
    yield str(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "training"]:
        del sys.modules[name]
    sys.path[:] = kept


def make(path: str, p: float | None) -> PeerStep:
    torch.manual_seed(0)
    sizes = {"resolution": 8, "channels": 4, "interval": 2, "r1_gamma": 0.01}
    return PeerStep(path, **sizes, p=p, device=torch.device("cpu"))  # type: ignore[arg-type]


@pytest.mark.parametrize("p", [None, 0.4])
def test_it_goes_through_the_phases_and_trains_both_networks(
    checkout: str, p: float | None
) -> None:
    step = make(checkout, p)
    networks = step.generator, step.discriminator, step.average
    before = [[value.clone() for value in network.parameters()] for network in networks]
    for index in range(3):
        real = torch.randn(5, 3, 8, 8)
        step(real, None, images=5 * index, streams=StepStreams.at(0, index))
    phases = [("Gmain", 1), ("Dmain", 1)]
    assert step.loss.phases == [*phases, ("Dreg", 2), *phases, *phases, ("Dreg", 2)]
    for network, old in zip(networks, before, strict=True):
        assert all(not torch.equal(a, b) for a, b in zip(network.parameters(), old, strict=True))
    far, near = (
        sum((a - b).abs().sum() for a, b in zip(network.parameters(), before[0], strict=True))
        for network in (step.generator, step.average)
    )
    assert 0 < near < 0.01 * far
    if p is not None:
        assert step.loss.pipe.p == torch.tensor(p)


def test_a_path_without_such_a_trainer_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is no folder, expected a checkout"):
        folder(str(tmp_path / "none"))
    with pytest.raises(SystemExit, match=r"expected a checkout with training\.networks"):
        make(folder(str(tmp_path)), None)


def test_rows_are_compared_with_the_peers_of_their_augmentation_by_rounds() -> None:
    rows = [
        Row("resnet", "float32", augmented=True, interval=16),
        Row("resnet", "bf16", augmented=False, interval=16),
        Row("vit", "bf16", augmented=True, interval=4),
        Row("resnet", "float32", augmented=True, interval=16, compiled=True),
        Row("resnet", "float32", augmented=True, interval=16, apart=True),
        Row("resnet", "float32", augmented=True, interval=16, peer=True),
        Row("resnet", "float32", augmented=False, interval=16, peer=True),
    ]
    ours, theirs = [[30, 8, 90], [50, 50, 50], [1, 1, 1], [40, 8, 40]], [[10, 4, 10], [10, 5, 20]]
    rates = [*ours, [1, 1, 1], *theirs]
    assert list(beside_peer(rows, rates)) == [
        "resnet, float32, bgc p=0.4: 3.00 times the peer's",
        "resnet, compiled, float32, bgc p=0.4: 4.00 times the peer's",
        "resnet, bf16, no augmentation: 5.00 times the peer's",
    ]


def test_compiled_rows_are_compared_with_the_same_as_they_are_written() -> None:
    row = Row("vit", "bf16", augmented=True, interval=4)
    rows = [Row("resnet", "float32", augmented=True, interval=16), row, replace(row, compiled=True)]
    assert list(beside_eager(rows, [[1, 1, 1], [10, 4, 10], [30, 8, 90]])) == [
        "vit, compiled, bf16, bgc p=0.4: 3.00 times as written"
    ]
