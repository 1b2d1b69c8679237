import dataclasses
from pathlib import Path

import pytest
import torch

from adavit.errors import UserError
from adavit.metrics.extractors.choice import choose_extractor
from adavit.metrics.extractors.fidelity import VGG16_WEIGHTS
from adavit.metrics.extractors.inception import INCEPTION_WEIGHTS
from adavit.metrics.extractors.weight_files import WeightsAbsentError, file_digest

pytestmark = pytest.mark.usefixtures("empty_torch_home")


def test_random_needs_no_weights_and_no_note() -> None:
    extractor, note = choose_extractor("random")
    assert (extractor.name, note) == ("random", None)


def test_auto_without_weights_goes_on_with_random_and_says_so() -> None:
    extractor, note = choose_extractor("auto", allow_download=False)
    assert extractor.name == "random"
    assert note is not None
    assert note == (
        "Warning: Inception's weights are not on the disk, and downloads are off, so a random network"
        " measures: its figures, such as fd_random, compare with each other alone. For Inception's,"
        f" fetch {INCEPTION_WEIGHTS.url} and give it with --inception-weights FILE."
    )


def test_inception_asked_for_and_absent_is_an_error_that_names_the_file_and_the_way_to_name_another() -> (
    None
):
    with pytest.raises(
        WeightsAbsentError, match="give it with --inception-weights FILE, or use"
    ) as caught:
        choose_extractor("inception", allow_download=False)
    assert str(INCEPTION_WEIGHTS.location) in str(caught.value)


@pytest.mark.parametrize("requested", ["auto", "inception"])
def test_given_weights_mean_inception_and_a_note_where_they_are_not_the_published_ones(
    requested, inception_file: Path
) -> None:
    extractor, note = choose_extractor(requested, weights=inception_file, allow_download=False)
    assert extractor.name == "inception"
    assert extractor.weights_digest == file_digest(inception_file)
    assert note is not None
    assert "not comparable with published" in note


def test_weights_at_torch_fidelitys_location_are_found(
    inception_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = dataclasses.replace(INCEPTION_WEIGHTS, digest_prefix=file_digest(inception_file)[:8])
    monkeypatch.setattr("adavit.metrics.extractors.inception.INCEPTION_WEIGHTS", genuine)
    INCEPTION_WEIGHTS.location.parent.mkdir(parents=True)
    INCEPTION_WEIGHTS.location.symlink_to(inception_file)
    extractor, note = choose_extractor("auto", allow_download=False)
    assert (extractor.name, note) == ("inception", None)


@pytest.mark.parametrize("requested", ["auto", "inception"])
def test_unfit_weights_are_an_error_and_never_replaced_in_silence(
    requested, tmp_path: Path
) -> None:
    torch.save({"layer": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"other\.pth lacks 566 tensors"):
        choose_extractor(requested, weights=tmp_path / "other.pth")


def test_weights_for_the_random_extractor_are_an_error(inception_file: Path) -> None:
    with pytest.raises(UserError, match=r"extractor random, which does not use them. Leave one"):
        choose_extractor("random", weights=inception_file)


def test_an_unknown_extractor_is_an_error() -> None:
    with pytest.raises(
        UserError,
        match="extractor is 'vgg', but must be one of auto, inception, random, drawn, vgg16",
    ):
        choose_extractor("vgg")


@pytest.mark.parametrize("name", ["vgg16", "lpips-vgg16"])
def test_absent_weights_of_vgg16_are_an_error_that_names_the_file(name: str) -> None:
    with pytest.raises(WeightsAbsentError, match=r"vgg16-397923af\.pth"):
        choose_extractor(name, allow_download=False)


def test_a_file_of_vgg16_is_no_way_to_have_lpips() -> None:
    with pytest.raises(WeightsAbsentError) as caught:
        choose_extractor("lpips-vgg16", allow_download=False)
    assert "vgg16:FILE" not in str(caught.value)
    assert str(caught.value).endswith("/vgg16-397923af.pth, or use extractor random.")
    VGG16_WEIGHTS.location.parent.mkdir(parents=True)
    VGG16_WEIGHTS.location.write_bytes(b"other")
    with pytest.raises(UserError, match=r"its name promises 397923af\. Delete it\.$"):
        choose_extractor("lpips-vgg16", allow_download=False)


def test_unfit_weights_of_vgg16_are_an_error(tmp_path: Path) -> None:
    torch.save({"layer": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"vgg16:.*other\.pth lacks 32 tensors"):
        choose_extractor(f"vgg16:{tmp_path / 'other.pth'}")


@pytest.mark.parametrize("requested", ["random:x", "vgg16:", "inception:x", "clip-rn51", "auto:"])
def test_what_has_no_file_takes_none(requested: str) -> None:
    with pytest.raises(UserError, match="but must be one of auto"):
        choose_extractor(requested)
