from typing import Any

import pytest
import torch

from adavit.importing.discriminator_names import convert_discriminator
from adavit.importing.foreign import ForeignNetwork, NoCounterpart
from tests.adavit.importing.test_generator_names import network, others_of, without
from tests.network_pickles import discriminator_state
from tests.references.stylegan2 import judged


@pytest.mark.parametrize(
    ("shape", "form"),
    [
        ({}, "residual"),
        ({"architecture": "orig"}, "plain"),
        ({"classes": 3}, "residual"),
        ({"classes": 2, "layers": 1, "channels": 5, "image_channels": 4}, "residual"),
        ({"classes": 2, "layers": 0}, "residual"),
    ],
    ids=["plain", "orig", "labels", "rgba", "no label layers"],
)
def test_it_judges_as_the_formulas_of_the_papers_do(shape: dict[str, Any], form: str) -> None:
    state = discriminator_state(8, **shape)
    converted = convert_discriminator(network(state))
    channels = shape.get("image_channels", 3)
    images = torch.randn(4, channels, 8, 8, generator=torch.Generator().manual_seed(4))
    classes = shape.get("classes", 0)
    labels = torch.tensor([1, 0, 1, 1]) if classes else None
    hot = None if labels is None else torch.nn.functional.one_hot(labels, classes).float()
    expected = judged(state, images, hot)
    found = converted.network(images, labels)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    assert converted.arguments["form"] == form
    if classes:
        assert converted.arguments["label_layers"] == shape.get("layers", 8)


def test_group_and_rate_are_those_of_the_file() -> None:
    state = discriminator_state(8, classes=2)
    known = {"mbstd_group_size": 2, "lr_multiplier": 0.1}
    converted = convert_discriminator(network(state, settings=known))
    images, labels = torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 0, 1])
    expected = judged(state, images, torch.eye(2)[labels], group=2, rate=0.1)
    torch.testing.assert_close(converted.network(images, labels), expected, rtol=1e-4, atol=1e-4)
    whole = convert_discriminator(network(state, settings={"mbstd_group_size": None}))
    expected = judged(state, images, torch.eye(2)[labels], group=4)
    torch.testing.assert_close(whole.network(images, labels), expected, rtol=1e-4, atol=1e-4)


def test_without_a_standard_deviation_there_is_none() -> None:
    state = discriminator_state()
    state["b4.conv.weight"] = state["b4.conv.weight"][:, :8]
    assert convert_discriminator(network(state)).arguments["minibatch_std_group"] == 0


STATE = discriminator_state()
REFUSED: dict[str, tuple[ForeignNetwork, str]] = {
    "skip": (network(discriminator_state(architecture="skip")), "architecture is skip"),
    "another": (network({"model.weight": torch.zeros(3)}), "it has no b4.out"),
    "less": (network(without(STATE, "b8.skip")), r"it lacks b8\.skip\.weight"),
    "more": (network({**STATE, "b8.conv2.weight": torch.zeros(3)}), r"it has b8\.conv2"),
    "deviations": (
        network({**STATE, "b4.conv.weight": torch.zeros(8, 10, 3, 3)}),
        "standard deviation over images has 2 channels",
    ),
    "group": (network(STATE, settings={"mbstd_group_size": "all"}), "taken over 'all' images"),
    "activation": (network(STATE, activations={"b8.conv0": "swish"}), "activation 'swish'"),
    "filter": (network(STATE, filters=((1.0, 2.0, 1.0),)), "resamples with the filter"),
    "sizes": (network({**STATE, "b4.fc.weight": torch.zeros(8, 8)}), "other sizes"),
    "axes": (network({**STATE, "b16.fromrgb.weight": torch.zeros(3)}), "a layer of 1 axes"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_has_no_counterpart_is_refused_with_the_reason(what: str) -> None:
    wrong, told = REFUSED[what]
    with pytest.raises(NoCounterpart, match=told):
        convert_discriminator(wrong)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "name", without(discriminator_state(8, classes=2, layers=1), "resample_filter")
)
def test_a_tensor_of_another_number_of_axes_is_refused(name: str) -> None:
    state = discriminator_state(8, classes=2, layers=1)
    for wrong in others_of(state[name]):
        with pytest.raises(NoCounterpart, match=r"axes|sizes|channels"):
            convert_discriminator(network({**state, name: wrong}))
