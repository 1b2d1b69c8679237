from typing import Any

import pytest
import torch

from adavit.importing.foreign import ForeignNetwork, NoCounterpart
from adavit.importing.generator_names import convert_generator, is_generator, is_stylegan3
from tests.network_pickles import generator_state
from tests.references.stylegan2 import generated


def network(state: dict[str, torch.Tensor], **known: Any) -> ForeignNetwork:
    values = {k: lambda v=v: v for k, v in state.items() if not k.endswith("resample_filter")}
    return ForeignNetwork(values, **known)


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"classes": 3},
        {"image_channels": 1, "layers": 8, "resolution": 8},
        {"image_channels": 4, "channels": 5, "dim": 7, "resolution": 8, "classes": 2},
    ],
    ids=["plain", "labels", "grey", "rgba"],
)
def test_it_draws_what_the_formulas_of_the_papers_draw(shape: dict[str, int]) -> None:
    state = generator_state(**shape)
    converted = convert_generator(network(state))
    generator = converted.network
    latents = torch.randn(2, generator.latent_dim, generator=torch.Generator().manual_seed(3))
    classes = shape.get("classes", 0)
    labels = torch.tensor([1, 0]) if classes else None
    hot = None if labels is None else torch.nn.functional.one_hot(labels, classes).float()
    for psi in (1.0, 0.7):
        expected = generated(state, latents, hot, psi)
        found = generator(latents, labels, truncation=psi)
        # Both in float32: a hundred-thousandth of their scale.
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    assert not generator.training
    assert converted.arguments["mapping_layers"] == shape.get("layers", 2)


def test_the_rate_of_the_mapping_network_is_that_of_the_file() -> None:
    state = generator_state(resolution=8)
    converted = convert_generator(network(state, settings={"lr_multiplier": 0.05}))
    latents = torch.randn(2, 16)
    expected = generated(state, latents, rate=0.05)
    torch.testing.assert_close(converted.network(latents), expected, rtol=1e-4, atol=1e-4)
    assert converted.arguments["mapping_lr_multiplier"] == 0.05


def test_a_generator_without_noise_has_none() -> None:
    state = {k: v for k, v in generator_state().items() if "noise" not in k}
    assert convert_generator(network(state)).arguments["noise"] == "none"


def without(state: dict[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in state.items() if part not in key}


STATE = generator_state()
REFUSED = {
    "resnet": (
        {**STATE, "synthesis.b8.skip.weight": torch.zeros(8, 8, 1, 1)},
        "architecture is resnet",
    ),
    "orig": (without(STATE, "b8.torgb"), "architecture is orig"),
    "stylegan3": ({"synthesis.input.weight": torch.zeros(3)}, "StyleGAN3's"),
    "further": (
        {**STATE, "synthesis.b8.attention.weight": torch.zeros(3)},
        r"it has synthesis\.b8\.att",
    ),
    "less": (without(STATE, "w_avg"), r"it lacks mapping\.w_avg"),
    "mapping": (without(STATE, "mapping.fc"), r"it lacks mapping\.fc0"),
    "layer": (without(STATE, "b8.conv0.affine"), r"it lacks synthesis\.b8\.conv0\.affine"),
    "sizes": ({**STATE, "mapping.fc1.weight": torch.zeros(16, 3)}, "other sizes"),
    "colours": (generator_state(image_channels=2), "2 channels, expected 1, 3 or 4"),
    "nothing": ({"synthesis.x": torch.zeros(2)}, "it is of 0 px"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_has_no_counterpart_is_refused_with_the_reason(what: str) -> None:
    state, told = REFUSED[what]
    with pytest.raises(NoCounterpart, match=told):
        convert_generator(network(state))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kernel", [(1, 1, 1), (2, 2)], ids=["five axes", "2 x 2"])
def test_colours_are_drawn_pixel_by_pixel(kernel: tuple[int, ...]) -> None:
    wrong = {**STATE, "synthesis.b8.torgb.weight": torch.zeros(3, 8 // kernel[-1] ** 2, *kernel)}
    with pytest.raises(NoCounterpart, match=r"layer of 5 axes|kernels of 1 x 1"):
        convert_generator(network(wrong))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", without(generator_state(8, classes=2), "resample_filter"))
def test_a_tensor_of_another_number_of_axes_is_refused(name: str) -> None:
    state = generator_state(8, classes=2)
    for wrong in others_of(state[name]):
        with pytest.raises(NoCounterpart, match=r"axes|sizes|channels"):
            convert_generator(network({**state, name: wrong}))


def others_of(tensor: torch.Tensor) -> list[torch.Tensor]:
    """A number, and the same numbers with one axis more, as far as they are others."""
    number = [torch.ones(())] if tensor.ndim else []
    return [*number, tensor[..., None], tensor[None]]


def test_other_activations_are_refused() -> None:
    wrong = network(STATE, activations={"synthesis.b8.conv0": "relu"})
    with pytest.raises(NoCounterpart, match=r"synthesis\.b8\.conv0 has the activation 'relu'"):
        convert_generator(wrong)
    assert is_generator(wrong)
    assert not is_stylegan3(wrong)
