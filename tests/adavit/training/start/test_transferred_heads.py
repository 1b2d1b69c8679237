from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adavit.features.architectures import ARCHITECTURES, Tap
from adavit.features.choice import PretrainedNetwork
from adavit.features.critic import FeatureCritic
from adavit.features.names import FEATURES
from adavit.features.torchvision_networks import Torchvision
from adavit.metrics.extractors.weight_files import HashedFile
from adavit.models.fitting import load_fitting
from adavit.models.san import slice_last_layers
from adavit.training.start.alignment import OfferedTensors
from adavit.training.start.transfer_source import TransferSource
from adavit.training.start.transferred_heads import aligned_heads, why_no_heads

TRANSFORMER, CONVOLUTIONAL = "vit_b_16", "squeezenet1_1"
SETTINGS: dict[str, Any] = {"side": 64, "maps": 2, "class_token": True, "mean": None, "std": None}


class Maps(nn.Module):
    """A network of these taps without the weights: its maps are the images'."""

    def __init__(self, name: str, taps: tuple[Tap, ...]) -> None:
        super().__init__()
        self.architecture, self.side, self.size, self.taps = name, 64, (64, 64), taps
        known = ARCHITECTURES[name]
        self.register_buffer("mean", torch.tensor(known.mean).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(known.std).reshape(1, 3, 1, 1))

    def forward(self, images: Tensor) -> list[Tensor]:
        return [
            images.mean(dim=(1, 2, 3), keepdim=True).expand(
                -1, tap.channels, *[1 if tap.stride is None else 64 // tap.stride] * 2
            )
            for tap in self.taps
        ]


@pytest.fixture
def network(tmp_path: Path) -> PretrainedNetwork:
    return named(TRANSFORMER, tmp_path)


def named(name: str, folder: Path) -> PretrainedNetwork:
    file = folder / f"{name}.pth"
    file.write_bytes(name.encode())
    return PretrainedNetwork(f"torchvision:{name}", Torchvision(FEATURES), name, HashedFile(file))


def make_critic(
    network: PretrainedNetwork,
    seed: int,
    *,
    maps: int = 2,
    class_token: bool = True,
    **changes: Any,
) -> FeatureCritic:
    """A critic somewhere in training, by what it has measured too."""
    torch.manual_seed(seed)
    taps = network.outputs(64, maps, class_token=class_token)
    sizes: dict[str, Any] = {
        "width": 4,
        "normalization": "none",
        "mixing": "none",
        "num_classes": 0,
    }
    critic = FeatureCritic(
        Maps(network.name, taps),  # type: ignore[arg-type]
        minibatch_std_group=0,
        **{**sizes, **changes},
    )
    for buffer in critic.buffers():
        buffer.normal_()
    return critic


def source_of(critic: FeatureCritic, network: PretrainedNetwork, **settings: Any) -> TransferSource:
    return TransferSource(
        {"features": critic.state_dict()},
        critic_saw=network.identity,
        seen=(),
        warning="",
        made_with={"features": {**SETTINGS, **settings}},
    )


def taken(
    source: TransferSource, critic: FeatureCritic, network: PretrainedNetwork
) -> OfferedTensors:
    assert why_no_heads(source, critic, network) is None
    offer = aligned_heads(source, critic, network)
    load_fitting(critic, offer.tensors)
    return offer


def parts(state: dict[str, Tensor], number: int) -> dict[str, Tensor]:
    """A head and how its map is standardised."""
    head = {
        name.partition(".")[2].partition(".")[2]: value
        for name, value in state.items()
        if name.startswith(f"heads.{number}.")
    }
    return {**head, "mean": state[f"mean{number}"], "std": state[f"std{number}"]}


@pytest.mark.parametrize(
    ("before", "now", "pairs"),
    [
        # Of the blocks 2, 5, 8 and 11 two are 5 and 11; the class token is the last.
        ((2, True), (4, True), {1: 0, 3: 1, 4: 2}),
        ((4, True), (2, False), {0: 1, 1: 3}),
        ((2, False), (2, True), {0: 0, 1: 1}),
    ],
)
def test_heads_of_a_transformer_stay_with_their_blocks(
    network: PretrainedNetwork,
    before: tuple[int, bool],
    now: tuple[int, bool],
    pairs: dict[int, int],
) -> None:
    there, here = (dict(zip(("maps", "class_token"), each, strict=True)) for each in (before, now))
    trained = make_critic(network, 1, **there)  # type: ignore[arg-type]
    critic = make_critic(network, 2, **here)  # type: ignore[arg-type]
    drawn = {name: value.clone() for name, value in critic.state_dict().items()}
    offer = taken(source_of(trained, network, **there), critic, network)
    for number in range(len(critic.heads)):
        expected = (
            parts(trained.state_dict(), pairs[number]) if number in pairs else parts(drawn, number)
        )
        torch.testing.assert_close(parts(critic.state_dict(), number), expected, rtol=0, atol=0)
        # Measured anew where nothing was taken, which needs no word.
        assert (offer.withheld.get(f"mean{number}") is None) is (number in pairs)
    assert not any(offer.withheld.values())


def test_heads_of_another_width_leave_the_measurements_of_this_run(
    network: PretrainedNetwork,
) -> None:
    trained, critic = make_critic(network, 1), make_critic(network, 2, width=6)
    drawn = {name: value.clone() for name, value in critic.state_dict().items()}
    taken(source_of(trained, network), critic, network)
    for name in ("mean0", "std0", "mean1", "std1"):
        assert torch.equal(critic.state_dict()[name], drawn[name])
    # That of the class token has no width.
    torch.testing.assert_close(
        parts(critic.state_dict(), 2), parts(trained.state_dict(), 2), rtol=0, atol=0
    )


@pytest.mark.parametrize("mixing", ["channels", "scales"])
def test_mixed_maps_are_those_of_as_many(tmp_path: Path, mixing: str) -> None:
    network = named(CONVOLUTIONAL, tmp_path)
    trained = make_critic(network, 1, mixing=mixing)
    source = source_of(trained, network)
    fewer = make_critic(network, 2, mixing=mixing, maps=1)
    reason = why_no_heads(source, fewer, network)
    assert reason == "those to start from mix other maps (features.maps)"
    same = make_critic(network, 2, mixing=mixing)
    taken(source, same, network)
    torch.testing.assert_close(same.state_dict(), trained.state_dict(), rtol=0, atol=0)


def test_what_is_other_is_said(network: PretrainedNetwork, tmp_path: Path) -> None:
    trained = make_critic(network, 1)
    source = source_of(trained, network)
    (tmp_path / "other").mkdir()
    for name, words in (
        (TRANSFORMER, "look through torchvision:vit_b_16 with other weights"),
        (CONVOLUTIONAL, "look through torchvision:vit_b_16"),
    ):
        other = named(name, tmp_path / "other")
        (tmp_path / "other" / f"{name}.pth").write_bytes(b"other")
        assert why_no_heads(source, trained, other) == f"those to start from {words}"
    mixed = make_critic(network, 2, mixing="channels")
    assert why_no_heads(source, mixed, network) == (
        "those to start from have another features.mixing"
    )
    without = TransferSource({}, critic_saw="", seen=(), warning="")
    assert why_no_heads(without, trained, network) == "the run to start from has none"


def test_maps_of_other_colours_are_other_maps(network: PretrainedNetwork) -> None:
    trained = make_critic(network, 1)
    for given, colours in ((None, True), ((0.485, 0.456, 0.406), True), ((0.5, 0.5, 0.5), False)):
        reason = why_no_heads(source_of(trained, network, mean=given), trained, network)
        assert (reason is None) is colours
    assert reason == "those to start from have another features.mean or features.std"


@pytest.mark.parametrize("classes", [0, 3])
def test_heads_without_san_are_those_of_a_critic_with_it(
    network: PretrainedNetwork, classes: int
) -> None:
    trained = make_critic(network, 1, num_classes=classes)
    critic = make_critic(network, 2, num_classes=classes)
    slice_last_layers(critic)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    taken(source_of(trained, network), critic, network)
    images, labels = torch.rand(2, 3, 64, 64), torch.tensor([2, 0]) if classes else None
    with torch.no_grad():
        expected, found = trained(images, labels), critic(images, labels)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(critic.mean1, trained.mean1, rtol=0, atol=0)


@pytest.mark.parametrize("classes", [0, 3])
def test_drawn_heads_with_san_start_as_they_are_drawn(
    network: PretrainedNetwork, classes: int
) -> None:
    trained = make_critic(network, 1, num_classes=classes, class_token=False)
    critic = make_critic(network, 2, num_classes=classes, class_token=False, width=6)
    for each in (trained, critic):
        slice_last_layers(each)
    before = {name: value.clone() for name, value in critic.state_dict().items()}
    with torch.no_grad():
        for name, value in trained.state_dict().items():
            if name.endswith((".scale", ".radius")):
                value.fill_(30)
    taken(source_of(trained, network, class_token=False), critic, network)
    kept = [name for name in before if name.endswith((".scale", ".radius"))]
    assert len(kept) == (2 if classes else 4)
    for name in kept:
        assert torch.equal(critic.state_dict()[name], before[name]), name
