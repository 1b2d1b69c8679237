import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import adavit
from adavit.data import images_to_uint8
from adavit.errors import UserError
from adavit.generation.sampling import image_from_tensor
from adavit.metrics.extractors.weight_files import file_digest
from adavit.projection.results import ProjectedImage
from adavit.runs.generator_file import load_generator
from adavit.runtime.drawn_images import what_its_discriminator_saw
from tests.small_weights import write_mobilenet
from tests.telling import Told

Store = Callable[..., Path]


def draw(stored: Path, folder: Path, count: int = 2) -> Path:
    """Images of the generator itself, as targets."""
    folder.mkdir()
    generator = load_generator(stored)
    latents = torch.randn(count, generator.latent_dim, generator=torch.Generator().manual_seed(1))
    labels = [0] * count if generator.num_classes else None
    for index, image in enumerate(images_to_uint8(generator(latents, labels))):
        image_from_tensor(image).save(folder / f"{index}.png")
    return folder


@pytest.mark.parametrize(
    "changes",
    [{}, {"image_channels": 1}, {"image_channels": 4, "num_classes": 2, "noise": "none"}],
    ids=["rgb", "grey", "rgba with classes"],
)
def test_a_folder_of_images_is_projected_and_recorded_the_same_each_time(
    store: Store, tmp_path: Path, changes: dict[str, object]
) -> None:
    stored = store(**changes)
    targets = draw(stored, tmp_path / "targets")

    def run(out: str) -> list[ProjectedImage]:
        return adavit.project(
            str(stored),
            str(targets),
            out=tmp_path / out,
            steps=15,
            class_name="cat" if changes.get("num_classes") else None,
        )

    found = run("out")
    record = json.loads((tmp_path / "out" / "projections.json").read_text())
    assert [each["target"] for each in record["projections"]] == ["0.png", "1.png"]
    assert (record["steps"], record["space"], record["device"]) == (15, "w", "cpu")
    assert record["distance"] == [{"network": None, "maps": ["pixels"], "weight": 3.0}]
    for each, projection in zip(record["projections"], found, strict=True):
        assert each["distance_end"] < 0.6 * each["distance_start"]
        assert Image.open(tmp_path / "out" / each["folder"] / "way.gif").n_frames == 16
        saved = load_file(tmp_path / "out" / each["folder"] / "w.safetensors")["w"]
        assert torch.equal(saved, projection.w)
    assert (tmp_path / "out" / "projections.png").is_file()
    if not changes:
        for first, second in zip(found, run("again"), strict=True):
            assert torch.equal(first.w, second.w)


def test_what_stays_of_an_earlier_call_is_told_and_its_sheet_goes(
    store: Store, tmp_path: Path
) -> None:
    stored, out = str(store()), tmp_path / "out"
    targets = draw(Path(stored), tmp_path / "targets", count=3)

    def notes(target: Path) -> list[str]:
        told = Told()
        adavit.project(stored, str(target), out=out, steps=1, console=told)
        return [note for note in told.notes if "earlier call" in note]

    assert notes(targets) == notes(targets) == []
    (targets / "2.png").unlink()
    stay = f"In {out} 1 folder of an earlier call stays (2), which adavit generate --styles {out} draws too."
    assert notes(targets) == [stay]
    assert (out / "projections.png").is_file()
    removed, others = notes(targets / "1.png")
    assert removed == f"Removed {out / 'projections.png'}, which showed images of an earlier call."
    assert others.startswith(f"In {out} 2 folders of earlier calls stay (0, 2), which")
    assert sorted(path.name for path in out.iterdir()) == ["0", "1", "2", "projections.json"]
    Image.new("L", (2, 2)).save(out / "projections.png")  # a picture of somebody else
    assert len(notes(targets / "1.png")) == 1
    assert (out / "projections.png").is_file()


def test_a_generator_tuned_to_other_styles_is_told_where_it_stays(
    store: Store, tmp_path: Path
) -> None:
    stored, out = str(store()), tmp_path / "out"
    targets = draw(Path(stored), tmp_path / "targets")

    def notes(tune: int, seed: int = 0) -> list[str]:
        told = Told()
        adavit.project(stored, str(targets), out=out, steps=1, tune=tune, seed=seed, console=told)
        return [note for note in told.notes if "earlier call" in note]

    assert notes(1) == notes(1) == notes(0) == []  # whose styles are the same
    expected = f"In {out} generator-tuned.safetensors of an earlier call stays in 0, 1: it was tuned to other"
    (note,) = notes(0, seed=1)
    assert note.startswith(expected)
    assert notes(0, seed=1) == [note]  # for as long as it stays
    assert notes(0) == []
    assert (out / "0" / "generator-tuned.safetensors").is_file()


def test_a_generator_that_was_tuned_through_a_network_says_so_wherever_it_goes(
    store: Store, tmp_path: Path
) -> None:
    targets = draw(store(), tmp_path / "targets", count=1)
    features = write_mobilenet(tmp_path / "m.pth")
    seen = f"torchvision:mobilenet_v3_small {file_digest(tmp_path / 'm.pth')}"

    def tuned(source: Path, name: str, features: str | None, tune: int = 1) -> Path:
        out = tmp_path / name
        adavit.project(source, targets, out=out, steps=1, tune=tune, features=features)
        return out / "0" / "generator-tuned.safetensors"

    by_network = tuned(store(), "a", features)
    for file in (by_network, tuned(by_network, "b", None)):
        assert load_generator(file).discriminator_saw == (seen,)
        assert what_its_discriminator_saw(Image.open(file.parent / "image.png")) == (seen,)
        page = adavit.card(file)[0].read_text()
        assert f"Training saw images through `{seen[:-56]}`. Licence of these weights" in page
        assert "no network trained on other images had a part" not in page
    for file in (tuned(store(), "c", None), tuned(store(), "d", features, tune=0)):
        assert what_its_discriminator_saw(Image.open(file.parent / "image.png")) == ()


def test_another_image_of_the_same_name_replaces_nothing(store: Store, tmp_path: Path) -> None:
    stored, out = str(store()), tmp_path / "out"
    targets = draw(Path(stored), tmp_path / "targets")
    adavit.project(stored, str(targets / "0.png"), out=out, steps=1, tune=1)
    kept = {path.name: path.read_bytes() for path in (out / "0").iterdir()}
    other = tmp_path / "others"
    other.mkdir()
    (targets / "1.png").rename(other / "0.png")
    with pytest.raises(UserError, match=r"out/0' holds what was found of another image called '0'"):
        adavit.project(stored, str(other), out=out, steps=1)
    assert {path.name: path.read_bytes() for path in (out / "0").iterdir()} == kept
    adavit.project(stored, str(targets), out=out, steps=1)  # the same image again


@pytest.mark.parametrize(
    ("place", "name"),
    [("", "0.png"), ("0", "0.png"), ("0", ""), ("my-photo", "my photo.png"), ("image", "")],
)
def test_a_target_is_neither_replaced_nor_given_neighbours(
    place: str, name: str, store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "photos" / place
    folder.parent.mkdir(exist_ok=True)
    draw(Path(store()), folder)
    own = f"{place}.png" if place and not name else name
    (folder / "1.png").rename(folder / own)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(
        UserError, match=r"what is drawn would (be|replace targets or be) taken for"
    ):
        adavit.project(str(store()), str(folder / name), out=tmp_path / "photos", steps=1)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_target_that_is_a_link_is_not_replaced(store: Store, tmp_path: Path) -> None:
    own = tmp_path / "out" / "photo"
    own.parent.mkdir()
    draw(Path(store()), own)
    (own / "0.png").rename(own / "image.png")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "photo.png").symlink_to(own / "image.png")
    before = (own / "image.png").read_bytes()
    with pytest.raises(UserError, match="would replace targets or be taken for one"):
        adavit.project(
            str(store()), str(tmp_path / "links" / "photo.png"), out=tmp_path / "out", steps=1
        )
    assert (own / "image.png").read_bytes() == before


def test_mistakes_are_told_before_anything_is_written(store: Store, tmp_path: Path) -> None:
    stored = str(store())
    targets = draw(store(), tmp_path / "targets", count=1)

    def refused(message: str, **given: object) -> None:
        arguments: dict[str, object] = {"target": str(targets), "out": tmp_path / "out", **given}
        with pytest.raises(UserError, match=message):
            adavit.project(stored, **arguments)
        assert not (tmp_path / "out").exists()

    refused("--target 'gone.png'", target="gone.png")
    refused("--features is 'vgg'", features="vgg")
    refused("--class is 'cat', but .* was trained without classes", class_name="cat")
    refused("--steps is 0", steps=0)
    refused("--out .* lies in --target", out=targets / "below")
    refused("not a run directory.* Give --out", out=None)
    (tmp_path / "file").write_text("")
    refused("--out .* cannot be made", out=tmp_path / "file" / "below")
