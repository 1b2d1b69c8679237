import torch

from adavit.models import Generator
from adavit.projection.distance import Distance
from adavit.projection.tuning import tuned_generator


def test_tuning_brings_an_image_nearer_and_leaves_the_generator_alone(
    generator: Generator, pixels: Distance
) -> None:
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    w = generator.mapping(torch.zeros(1, 6))[:, None].repeat(1, generator.synthesis.style_count, 1)
    target = torch.full((1, 3, 8, 8), 0.3)
    start = float(pixels.between(generator.synthesis(w), pixels.of(target)))
    tuned, end = tuned_generator(generator, w, target, pixels, steps=40)
    assert end < 0.9 * start
    assert end == float(pixels.between(tuned.synthesis(w), pixels.of(target)))
    for name, value in generator.state_dict().items():
        assert torch.equal(value, before[name])
        mapping = name.startswith(("mapping", "w_average"))
        assert not mapping or torch.equal(tuned.state_dict()[name], value)
    assert not any(each.requires_grad for each in (*tuned.parameters(), *generator.parameters()))
