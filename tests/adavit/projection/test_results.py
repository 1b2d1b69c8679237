from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from adavit.data import images_to_uint8
from adavit.projection import results
from adavit.projection.distance import Distance
from adavit.projection.pictures import WayFilm
from adavit.projection.results import ProjectionWriter
from adavit.projection.search import FoundStyles
from adavit.projection.targets import Targets
from adavit.runs.generator_file import load_generator, read_generator
from adavit.runtime.console import SilentConsole
from adavit.runtime.drawn_images import what_its_discriminator_saw
from adavit.styles.styles_file import read_styles
from tests.stored_generators import store_generator
from tests.telling import Told

SEEN = f"torchvision:resnet18 {'01' * 32}"


def test_what_was_found_is_there_before_one_is_tuned(
    store: Callable[..., Path], pixels: Distance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = read_generator(store())
    w = torch.randn(2, stored.generator.synthesis.style_count, 6)
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    film = WayFilm(images)
    film.watch(0, torch.zeros(2, 3, 16, 16), torch.ones(2))

    def stop(*_arguments: object, **_named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(results, "tuned_generator", stop)
    writer = ProjectionWriter(
        tmp_path / "out",
        stored,
        Targets(images, ("a.jpg", "b.jpg"), ("a", "b")),
        pixels,
        tuning_steps=2,
        console=SilentConsole(),
    )
    with pytest.raises(KeyboardInterrupt):
        writer.write(slice(0, 2), FoundStyles(w, torch.ones(2), torch.ones(2)), film)
    for index, name in enumerate("ab"):
        folder = tmp_path / "out" / name
        assert torch.equal(load_file(folder / "w.safetensors")["w"], w[index])
        names = {path.name for path in folder.iterdir()}
        assert names == {"w.safetensors", "way.gif", "image.png"}


def test_the_files_of_an_image_give_it_again(
    store: Callable[..., Path], pixels: Distance, tmp_path: Path
) -> None:
    stored = read_generator(store())
    stored.path.unlink()  # as a run that goes on removes or replaces its own
    stored.generator.discriminator_saw = (SEEN,)
    layers = stored.generator.synthesis.style_count
    w = torch.randn(2, layers, 6, generator=torch.Generator().manual_seed(1))
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    targets = Targets(images, ("a.jpg", "b.jpg"), ("a", "b"))
    film = WayFilm(images)
    for step in (0, 1):
        film.watch(step, torch.zeros(2, 3, 16, 16), torch.ones(2))
    writer = ProjectionWriter(
        tmp_path, stored, targets, pixels, tuning_steps=2, console=SilentConsole()
    )
    writer.write(slice(0, 2), FoundStyles(w, torch.ones(2), torch.tensor([0.5, 0.25])), film)
    folder = tmp_path / "b"
    names = ["compared.png", "generator-tuned.safetensors", "image.png", "w.safetensors", "way.gif"]
    assert sorted(path.name for path in folder.iterdir()) == names
    again = load_file(folder / "w.safetensors")["w"]
    assert torch.equal(again, w[1])

    told = Told()
    for name, count in (("generator-tuned.safetensors", 0), ("other.safetensors", 1)):
        if count:
            store_generator(folder / name, seed=1)
        read_styles([folder / "w.safetensors"], read_generator(folder / name), told)
        assert len(told.notes) == count

    tuned = load_generator(folder / "generator-tuned.safetensors")
    drawn = images_to_uint8(tuned.synthesis(again[None]))[0]
    assert np.array_equal(np.asarray(Image.open(folder / "image.png")), drawn.permute(1, 2, 0))
    assert what_its_discriminator_saw(Image.open(folder / "image.png")) == (SEEN,)
    of_tuned = read_generator(folder / "generator-tuned.safetensors")
    assert (of_tuned.metric, of_tuned.images) == ({}, stored.images)

    found = writer.done[1]
    assert (found.target, found.end) == ("b.jpg", 0.25)
    assert torch.equal(found.image, drawn)
    rms = (drawn.double() - images[1].double()).square().mean().sqrt()
    assert found.described()["pixel_rms"] == pytest.approx(float(rms), rel=1e-6)
    assert found.described()["distance_tuned"] == round(found.tuned or 0, 6) > 0


def test_colours_that_nobody_sees_are_no_difference(
    store: Callable[..., Path], pixels: Distance, tmp_path: Path
) -> None:
    stored = read_generator(store(image_channels=4))
    w = 30 * torch.randn(1, stored.generator.synthesis.style_count, 6)
    drawn = images_to_uint8(stored.generator.synthesis(w))
    hidden = drawn[:, 3:] == 0
    assert 0 < hidden.sum() < hidden.numel()
    targets = torch.cat([torch.where(hidden, 255 - drawn[:, :3], drawn[:, :3]), drawn[:, 3:]], 1)
    film = WayFilm(targets)
    film.watch(0, torch.zeros(1, 4, 16, 16), torch.ones(1))
    writer = ProjectionWriter(
        tmp_path,
        stored,
        Targets(targets, ("a.png",), ("a",)),
        pixels,
        tuning_steps=0,
        console=SilentConsole(),
    )
    writer.write(slice(0, 1), FoundStyles(w, torch.ones(1), torch.zeros(1)), film)
    assert writer.done[0].pixel_rms == 0
