from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch

from adavit.data import ImageSet, Split
from adavit.data.small_set.images import draw_small_set
from adavit.errors import UserError
from adavit.evaluation.scoring import (
    build_evaluator,
    choose_network,
    choose_networks,
    generator_protocol,
    score_generator,
)
from adavit.generation.sampling import generated_batches
from adavit.metrics import RandomFeatures, WeightsAbsentError, frechet_distance
from adavit.metrics.extractors.drawn_features import drawn_features
from adavit.models import Generator
from adavit.runtime.console import SilentConsole
from adavit.runtime.randomness import seed_for
from tests.networks import make_generator
from tests.references.metrics_images import drawn_images
from tests.telling import Told


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights on the disk, and no connection."""

    def refuse(*_: object, **__: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("urllib.request.urlopen", refuse)


@pytest.fixture
def generator() -> Generator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = make_generator(
            resolution=16,
            image_channels=3,
            latent_dim=8,
            style_dim=8,
            channel_base=64,
            channel_max=8,
        )
    return made.eval()


def image_set(images: np.ndarray, name: str = "drawn") -> ImageSet:
    return ImageSet(
        name=name,
        images=images,
        labels=None,
        classes=(),
        fingerprint="f" * 64,
        skipped=(),
        source=name,
        notes=(),
    )


def chosen(extractor: str, console: Told, **changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "data": ["photos"],
        "inception_weights": None,
        "device": torch.device("cpu"),
    }
    return choose_network(extractor, console=console, **{**arguments, **changes})


def evaluator_of(images: np.ndarray, **changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "metrics": ["fid"],
        "extractor": RandomFeatures(),
    }
    return build_evaluator(image_set(images), **{**arguments, **changes})


@pytest.mark.usefixtures("offline")
def test_absent_weights_of_inception_are_an_error_that_says_how_others_are_named() -> None:
    with pytest.raises(
        WeightsAbsentError, match=r"^Inception's weights .*give it with --inception-weights FILE"
    ):
        chosen("inception", Told())


@pytest.mark.usefixtures("offline")
def test_going_on_without_inception_is_noted_with_the_way_to_have_it() -> None:
    console = Told()
    assert chosen("auto", console).name == "random"
    (note,) = console.notes
    assert note.startswith("Warning: Inception's weights could not be downloaded (no connection: ")
    assert note.endswith(" and give it with --inception-weights FILE.")


@pytest.mark.usefixtures("offline")
def test_the_way_to_name_weights_of_inception_is_told_of_inception_alone() -> None:
    with pytest.raises(WeightsAbsentError, match="give it with --extractor vgg16:FILE") as caught:
        chosen("vgg16", Told())
    assert "--inception-weights" not in str(caught.value)


@pytest.mark.usefixtures("offline")
def test_drawings_are_measured_by_what_knows_them_unless_another_is_asked_for() -> None:
    console = Told()
    drawn = ["small_set", "small_set@3:500"]
    assert chosen("auto", console, data=drawn).name == "drawn"
    assert chosen("drawn", console, data=drawn).name == "drawn"
    assert chosen("random", console, data=drawn).name == "random"
    assert console.notes == []
    assert (
        chosen("auto", console, data=[*drawn, "photos"]).name == "random"
    )  # as Inception is not there
    assert chosen("auto", console, data=[]).name == "random"
    with pytest.raises(UserError, match=r"--inception-weights no\.pth is not a file"):
        chosen("auto", console, data=drawn, inception_weights=Path("no.pth"))


def test_what_knows_drawings_refuses_all_else() -> None:
    with pytest.raises(UserError) as caught:
        chosen("drawn", Told(), data=["small_set", "/tmp/small_set", "cifar10"])
    assert str(caught.value) == (
        "extractor is drawn, but of '/tmp/small_set' it knows nothing, expected drawings of small_set."
        " Use extractor auto or random."
    )


def test_what_is_recognised_is_measured_beside_what_was_asked_for() -> None:
    images = draw_small_set(40)[0].transpose(0, 3, 1, 2)
    evaluator = evaluator_of(images, extractor=drawn_features(), metrics=["kinds", "fid"])
    assert evaluator.names == ("kinds", "fd_drawn", "recognised", "modes")
    assert evaluator_of(images).names == ("fd_random",)
    # Where real ones would not be recognised either.
    for other in (images[:, :, ::2, ::2], images.mean(1, keepdims=True).astype(np.uint8)):
        assert evaluator_of(other, extractor=drawn_features()).names == ("fd_drawn",)


class Related(RandomFeatures):
    """Stands for Inception."""

    name = "inception"
    learned_from = "ImageNet"


@pytest.fixture
def inception(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path | None]]:
    """Puts `Related` in the place of Inception; what was chosen, and with which weights."""
    asked: list[tuple[str, Path | None]] = []

    def choose(requested: str, *, weights: Path | None, device: torch.device) -> Any:
        asked.append((requested, weights))
        return (RandomFeatures() if requested == "random" else Related()), None

    monkeypatch.setattr("adavit.evaluation.scoring.choose_extractor", choose)
    return asked


@pytest.mark.parametrize(
    ("extractors", "seen", "expected"),
    [
        (["inception"], [], ["inception"]),
        (["auto"], [], ["inception"]),
        (["random", "auto"], [], ["random", "inception"]),
        (["inception", "random", "auto"], [], ["inception", "random"]),
        (["inception"], ["torchvision:resnet18 0123"], ["random", "inception"]),
        (["inception", "random"], ["torchvision:resnet18 0123"], ["random", "inception"]),
        (["random"], ["torchvision:resnet18 0123"], ["random"]),
    ],
)
def test_a_network_that_was_not_seen_comes_first_and_each_once(
    inception: list, extractors: list[str], seen: list[str], expected: list[str]
) -> None:
    found = choose_networks(
        extractors,
        seen,
        data=["photos"],
        inception_weights=Path("w.pth"),
        device=torch.device("cpu"),
        console=SilentConsole(),
    )
    assert [network.name for network in found] == expected
    if extractors != ["random"]:  # weights that nothing uses are a mistake there
        given = {weights for name, weights in inception if name == "random"}
        assert given <= {None}


@pytest.mark.parametrize("extractors", [["drawn"], ["drawn", "random"], ["random", "drawn"]])
def test_weights_of_inception_that_nothing_uses_are_a_mistake(extractors: list[str]) -> None:
    with pytest.raises(UserError, match=f"together with extractor {extractors[0]}, which does not"):
        choose_networks(
            extractors,
            [],
            data=["small_set"],
            inception_weights=Path("no_such.pth"),
            device=torch.device("cpu"),
            console=SilentConsole(),
        )


def test_weights_of_inception_are_given_to_inception_alone(inception: list) -> None:
    given = Path("w.pth")
    choose_networks(
        ["vgg16", "inception", "random", "torchvision:resnet50:r.pth"],
        [],
        data=["photos"],
        inception_weights=given,
        device=torch.device("cpu"),
        console=SilentConsole(),
    )
    assert [weights for _, weights in inception] == [None, given, None, None]


def test_the_same_images_are_scored_in_each_space(generator: Generator) -> None:
    reals = drawn_images(40, seed=1, side=16)
    evaluators = [evaluator_of(reals), evaluator_of(reals, extractor=Related())]
    record = score_generator(evaluators, generator, fakes=20, seed=3)
    (beside,) = record["beside"]
    assert beside["fid"] == record["fd_random"]  # it is the same network by another name
    assert beside["protocol"]["extractor_learned_from"] == "ImageNet"
    assert "beside" not in score_generator(evaluators[:1], generator, fakes=20, seed=3)


def test_a_record_says_how_images_were_drawn(generator: Generator) -> None:
    found = generator_protocol(generator, seed=7, truncation=0.5)
    plain = {"seed": 7, "truncation": 0.5, "labels": None, "discriminator_saw": None}
    assert found == plain
    generator.discriminator_saw = ("torchvision:resnet18 0123",)
    found = generator_protocol(generator, seed=7, truncation=0.5)
    assert found == {**plain, "discriminator_saw": ["torchvision:resnet18 0123"]}
    generator.num_classes = 2
    assert generator_protocol(generator, seed=7, truncation=1)["labels"] == "training images"


def test_a_score_is_the_distance_of_the_images_of_the_evaluations_own_stream(
    generator: Generator,
) -> None:
    reals = drawn_images(40, seed=1, side=16)
    record = score_generator([evaluator_of(reals)], generator, fakes=30, seed=3, truncation=0.7)
    network = RandomFeatures()
    drawn = generated_batches(generator, 30, seed=seed_for(3, "evaluation", 0), truncation=0.7)
    features = network(torch.cat(list(drawn)))
    expected = frechet_distance(network(torch.from_numpy(reals)), features)
    assert record["fd_random"] == pytest.approx(expected, rel=1e-5)
    protocol = record["protocol"]
    assert (protocol["seed"], protocol["truncation"], protocol["n_fake"]) == (3, 0.7, 30)


@pytest.mark.parametrize(
    ("train", "heldout", "n_heldout", "n_training"),
    [
        (range(10, 40), range(10), 10, None),  # all that is not held out was trained on
        (range(10, 20), range(10), 10, 10),
        (range(10), range(0), None, 10),
        (range(40), range(0), None, None),
    ],
)
def test_real_images_are_scored_as_far_as_the_split_of_the_run_allows(
    train: range, heldout: range, n_heldout: int | None, n_training: int | None
) -> None:
    reals = drawn_images(40, seed=1, side=16)
    split = Split(train=np.array(train, dtype=int), heldout=np.array(heldout, dtype=int))
    evaluator = evaluator_of(reals, trained_on=(image_set(reals), split))
    protocol = evaluator.evaluate_images(drawn_images(20, seed=2, side=16))["protocol"]
    assert (protocol["n_heldout"], protocol["n_training"]) == (n_heldout, n_training)


def test_images_trained_on_are_scored_against_no_images_that_they_are_no_part_of() -> None:
    reals, others = (drawn_images(40, seed=seed, side=16) for seed in (1, 3))
    split = Split(train=np.arange(10, 20), heldout=np.arange(10))
    trained_on = (replace(image_set(reals), fingerprint="a" * 64), split)
    evaluator = evaluator_of(others, trained_on=trained_on)
    record = evaluator.evaluate_images(drawn_images(20, seed=2, side=16))
    protocol = record["protocol"]
    assert (protocol["n_heldout"], protocol["n_floor_reference"]) == (10, 40)
    assert "fd_random_floor" in record
    assert protocol["n_training"] is None
    assert "fd_random_training" not in record
