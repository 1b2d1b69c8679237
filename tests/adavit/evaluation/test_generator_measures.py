from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from adavit.errors import UserError
from adavit.evaluation.evaluate import evaluate
from adavit.evaluation.generator_measures import GENERATOR_MEASURES, PATH_BATCH
from adavit.evaluation.sources import open_source
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.metrics.path_length import SETTING
from adavit.models import Generator
from adavit.runtime.randomness import generator_for
from tests.adavit.evaluation.runs import make_run


class Pixels:
    """Images as they are: the path length of a generator is then that of its pixels."""

    name = "pixels"
    batch = 7

    def of_unrounded(self, images: Tensor) -> Tensor:
        return images.flatten(1)


class Rounding:
    name = "rounding"


def generator_of(run: Path) -> Generator:
    return open_source(str(run), "SOURCE").stored.generator  # type: ignore[union-attr]


def test_path_lengths_are_those_of_straight_steps_in_w(run: Path) -> None:
    """A step a hundred times as long, in float64, has the same speed where the generator is smooth."""
    record = evaluate(str(run), metrics=["ppl"], extractor="random", fakes=200)
    stored = open_source(str(run), "SOURCE").stored  # type: ignore[union-attr]
    generator, extractor = stored.generator.double(), RandomFeatures()
    extractor._filters = [f.double() for f in extractor._filters]
    extractor._opponents = extractor._opponents.double()
    stream = torch.Generator().manual_seed(5)
    latents = torch.randn(400, 6, generator=stream, dtype=torch.float64)
    with torch.no_grad():
        start, end = generator.mapping(latents, None).chunk(2)
        images = [generator.synthesis(w) for w in (start, torch.lerp(start, end, 1e-3))]
        steps = extractor.of_unrounded(images[1].double()) - extractor.of_unrounded(
            images[0].double()
        )
    speeds = (steps / 1e-3).square().sum(dim=1)
    assert record["ppl_random"] == pytest.approx(float(speeds.mean()), rel=0.2)


@pytest.mark.parametrize("metric", ["fid", "ppl"])
def test_conditional_generators_get_the_labels_of_the_training_images(
    metric: str, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(Path("conditional"), pictures, cond=True)
    seen: list[torch.Tensor] = []
    module = type(generator_of(run).mapping)
    forward = module.forward

    def spy(self: Any, latents: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        seen.append(labels)
        return forward(self, latents, labels)

    monkeypatch.setattr(module, "forward", spy)
    record = evaluate(str(run), metrics=[metric], extractor="random", fakes=500)
    assert record["protocol"]["labels"] == "training images"
    drawn = torch.cat(seen)
    assert abs((drawn == 0).double().mean().item() - 0.75) < 0.07  # 15 of 20, as trained on
    if metric == "ppl":
        first, second = seen[0].chunk(2)
        assert torch.equal(first, second)  # a path stays within its class


@pytest.mark.parametrize("truncation", [1.0, 0.5])
def test_the_length_of_a_path_through_a_linear_synthesis_is_that_of_its_step_in_w(
    run: Path, monkeypatch: pytest.MonkeyPatch, truncation: float
) -> None:
    """Images A w move by A (w' - w) per step, so that the mean of its square is the figure."""
    generator = generator_of(run)
    matrix = torch.randn(3 * 4 * 4, 6, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(
        generator.synthesis,
        "forward",
        lambda w: (w.double() @ matrix.double().T).reshape(-1, 3, 4, 4),
    )
    count = 2 * PATH_BATCH + 5
    told: list[int] = []
    found = GENERATOR_MEASURES["ppl"].figures(
        generator,
        Pixels(),  # type: ignore[arg-type]
        count=count,
        seed=4,
        label_counts=None,
        truncation=truncation,
        progress=told.append,
    )
    stream = generator_for(4, "path length", 0, torch.device("cpu"))
    lengths: list[Tensor] = []
    for size in (PATH_BATCH, PATH_BATCH, 5):
        latents = torch.randn(2 * size, 6, generator=stream)
        first, second = generator.mapping(latents, None).double().chunk(2)
        step = truncation * (second - first)  # of both ends towards one average
        lengths.append((step @ matrix.double().T).square().sum(dim=1))
    expected = torch.cat(lengths).numpy()  # of 69, the outer hundredths hold none
    assert found[""] == pytest.approx(expected.mean(), rel=1e-3)
    assert found["_std"] == pytest.approx(expected.std(), rel=1e-3)
    assert told[-1] == count


def test_paths_need_an_extractor_of_unrounded_images() -> None:
    measure = GENERATOR_MEASURES["ppl"]
    measure.check_extractor(RandomFeatures())
    with pytest.raises(
        UserError, match=r"'ppl', but extractor rounding sees rounded .* Use extractor"
    ):
        measure.check_extractor(Rounding())  # type: ignore[arg-type]
    assert (measure.activity, measure.setting) == ("walking paths", SETTING)
