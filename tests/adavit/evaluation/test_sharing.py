"""An evaluation by several processes against that of one: the same features and figures, to the bit."""

from typing import Any

import pytest
import torch
from torch import Tensor

from adavit.evaluation.evaluator import Evaluator
from adavit.evaluation.scoring import score_with
from adavit.evaluation.sharing import decided, features_of_all
from adavit.metrics import Interrupted
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.runtime.world import Alone, World
from tests.networks import make_generator
from tests.processes import together


def rows(world: World) -> Tensor:
    """Of five rows the first process has three, the second none and the third two."""
    own = {0: range(3), 1: range(0), 2: range(3, 5)}[world.rank]
    return torch.tensor([[10.0 * row, 10.0 * row + 1] for row in own]).reshape(-1, 2)


def test_rows_of_all_come_in_their_order() -> None:
    found = together(3, lambda world: features_of_all(world, lambda: rows(world)))
    for each in found:
        assert each.tolist() == [[0, 1], [10, 11], [20, 21], [30, 31], [40, 41]]


def test_all_stop_where_one_is_interrupted() -> None:
    def extract(world: World) -> Tensor:
        if world.rank == 1:
            raise Interrupted("asked to")
        return rows(world)

    def stopped(world: World) -> bool:
        with pytest.raises(Interrupted):
            features_of_all(world, lambda: extract(world))
        return True

    assert together(2, stopped) == [True, True]


def test_rank_0_alone_decides() -> None:
    def decide(world: World) -> dict[str, Any]:
        return decided(world, lambda: {"fid": 1.25 + world.rank, "nothing": None})

    assert together(2, decide) == [{"fid": 1.25, "nothing": None}] * 2


def scored(world: World, *, classes: int) -> dict[str, Any]:
    """The record of 200 images, which are four batches, the last of eight."""
    torch.manual_seed(0)
    generator = make_generator(
        resolution=8, num_classes=classes, latent_dim=6, style_dim=6, channel_base=64, channel_max=8
    ).eval()
    with torch.no_grad():
        for parameter in generator.parameters():
            if parameter.ndim == 0:  # the strength of the noise
                parameter.fill_(0.3)
    reals = torch.randint(
        0, 256, (60, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    evaluator = Evaluator(
        RandomFeatures(device=torch.device("cpu")),
        reals,
        reference_fingerprint="of these",
        reference_name="noise",
        metrics=("fid", "kid", "precision", "recall"),
    )
    counts = [5, 3] if classes else None
    return score_with(evaluator, generator, fakes=200, seed=3, label_counts=counts, world=world)


@pytest.mark.parametrize("classes", [0, 2])
def test_figures_do_not_depend_on_the_number_of_processes(classes: int) -> None:
    torch.set_num_threads(1)
    alone = scored(Alone(), classes=classes)
    assert alone["protocol"]["n_fake"] == 200
    for size in (2, 3):
        for record in together(size, lambda world: scored(world, classes=classes)):
            assert record == alone
