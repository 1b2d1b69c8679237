import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adavit.exploring.explorer import Explorer, mixed
from adavit.generation.generate import generate
from adavit.runs.weights_file import read_weights
from adavit.runtime.drawn_images import what_its_discriminator_saw
from adavit.serving.drawing import FOUND, MOST_SHOWN, RecipeDrawer
from adavit.serving.recipe import Offer, Recipe
from adavit.styles.change import StyleChange
from adavit.styles.directions import find_directions, most_directions
from adavit.styles.directions_file import save_directions
from adavit.styles.numbers import DirectionStep
from tests.stored_generators import store_generator
from tests.telling import Told


def pixels(png: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(png))).astype(int)


@pytest.mark.parametrize(("class_name", "index"), [(None, None), ("cow", 2)])
def test_a_picture_is_the_one_that_generate_writes(
    class_name: str | None, index: int | None, drawer: RecipeDrawer, source: Path, tmp_path: Path
) -> None:
    given = {"class_name": class_name, "device": "cpu"}
    for truncation in (1.0, 0.7):
        (path,) = generate(source, [2**64 - 1], tmp_path, truncation=truncation, **given)
        recipe = Recipe(2**64 - 1, index, truncation)
        assert drawer.picture(recipe) == path.read_bytes()
    file = tmp_path / "directions.safetensors"
    save_directions(file, drawer.directions)
    steps = [DirectionStep(file, 1, 1.5), DirectionStep(file, 4, -2.0)]
    (path,) = generate(source, [8], tmp_path, steps=steps, truncation=0.7, **given)
    recipe = Recipe(8, index, 0.7, amounts=((1, 1.5), (4, -2.0)))
    assert drawer.picture(recipe) == path.read_bytes()


def test_styles_are_truncated_then_mixed_then_moved(drawer: RecipeDrawer) -> None:
    recipe = Recipe(3, truncation=0.5, other=9, layers=(0, 4), amounts=((2, 1.5),))
    change = StyleChange(drawer.explorer.generator, truncation=0.5)
    first, second = drawer.explorer.styles([3], change), drawer.explorer.styles([9], change)
    expected = mixed(first, second, [0, 4]) + 1.5 * drawer.directions.vectors[2]
    torch.testing.assert_close(drawer.styles(recipe), expected)
    plain = Recipe(3, truncation=0.5, other=9)
    torch.testing.assert_close(drawer.styles(plain), first)


@pytest.mark.parametrize(
    "recipe",
    [Recipe(5), Recipe(5, 0, 0.6, other=2**64 - 1, layers=(1, 2), amounts=((0, -3.0),))],
    ids=["plain", "all"],
)
def test_a_latent_read_back_draws_the_picture(
    recipe: Recipe, drawer: RecipeDrawer, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "w.safetensors").write_bytes(drawer.latent(recipe))
    tensors, said = read_weights(tmp_path / "w.safetensors")
    assert list(tensors) == ["w"]
    explorer, made = Explorer.open(source, device="cpu"), json.loads(said["made"])
    assert (made["seed"], made["other"], made["noise"]) == (5, recipe.other, "seed")
    assert made["class_of_seed"] in (0, 2)
    assert (made["class_of_other"] is None) == (recipe.other is None)
    assert said["generator"] == source.name
    assert said["generator_styles_sha256"] == drawer.directions.generator
    image = explorer.images(tensors["w"][None], noise_seeds=[made["seed"]])[0]
    # The same style for every layer is rounded otherwise than one style.
    difference = pixels(drawer.picture(recipe)) - image.permute(1, 2, 0).int().numpy()
    assert np.abs(difference).max() <= 1


def test_it_says_what_there_is(drawer: RecipeDrawer, source: Path) -> None:
    assert drawer.offer == Offer(layers=6, classes=(0, 2), directions=FOUND)
    about = drawer.about()
    assert (about["title"], about["height"], about["width"]) == (source.parent.name, 16, 16)
    assert about["classes"] == [{"number": 0, "name": "cat"}, {"number": 2, "name": "cow"}]
    # As the layers of the network have them; the last style is of the last image branch.
    assert about["layers"] == [4, 8, 8, 16, 16, 16]
    assert about["transparent"]


def test_of_an_imported_generator_all_classes_are_offered(drawer: RecipeDrawer) -> None:
    stored = replace(
        drawer.explorer.stored, label_counts=None
    )  # nobody says what it was trained on
    imported = replace(drawer, explorer=replace(drawer.explorer, stored=stored))
    assert imported.offer.classes == (0, 1, 2)


def test_of_the_smallest_generator_there_are_as_many_directions_as_change_anything(
    tmp_path: Path,
) -> None:
    sizes = {"resolution": 8, "channel_base": 8, "channel_max": 1}
    source = store_generator(tmp_path / "g.safetensors", **sizes)
    drawer = RecipeDrawer.open(source, device="cpu", console=Told())
    assert drawer.offer.directions == most_directions(drawer.explorer.generator) < FOUND


def test_directions_of_a_file_are_taken(tmp_path: Path) -> None:
    path, told = store_generator(tmp_path / "g.safetensors", style_dim=20), Told()
    stored = Explorer.open(path, device="cpu")
    file = tmp_path / "d.safetensors"
    found = find_directions(
        stored.generator, method="pca", layers=[0], count=18, choice=stored.choice
    )
    save_directions(file, found)
    drawer = RecipeDrawer.open(path, directions=file, device="cpu", console=told)
    assert torch.equal(drawer.directions.vectors, found.vectors)
    assert drawer.offer.directions == MOST_SHOWN
    assert told.notes == [f"{file} has 18 directions; the page shows the first 16."]


def test_a_picture_says_what_the_discriminator_of_its_generator_saw(tmp_path: Path) -> None:
    seen = [f"torchvision:resnet18 {'01' * 32}"]
    source = store_generator(tmp_path / "g.safetensors", config={"features": {"seen": seen}})
    drawer = RecipeDrawer.open(source, device="cpu", console=Told())
    for recipe in (Recipe(3), Recipe(3, other=4, layers=(0, 1))):
        picture = Image.open(io.BytesIO(drawer.picture(recipe)))
        assert what_its_discriminator_saw(picture) == tuple(seen)
