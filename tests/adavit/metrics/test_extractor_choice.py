from pathlib import Path

import pytest
import torch

from adavit.errors import UserError
from adavit.metrics import inception_weights
from adavit.metrics.extractor_choice import choose_extractor
from adavit.metrics.inception_weights import WeightsAbsentError, file_digest, weights_location

pytestmark = pytest.mark.usefixtures("empty_torch_home")


def test_random_needs_no_weights_and_no_note() -> None:
    extractor, note = choose_extractor("random")
    assert (extractor.name, extractor.suffix, note) == ("random", "_random", None)


def test_auto_without_weights_goes_on_with_random_and_says_so() -> None:
    extractor, note = choose_extractor("auto", allow_download=False)
    assert extractor.name == "random"
    assert note is not None
    assert str(weights_location()) in note
    assert "fd_random, kid_random, not fid" in note


def test_inception_asked_for_and_absent_is_an_error_that_names_file_and_flag() -> None:
    with pytest.raises(WeightsAbsentError, match="--inception-weights") as caught:
        choose_extractor("inception", allow_download=False)
    assert str(weights_location()) in str(caught.value)


@pytest.mark.parametrize("requested", ["auto", "inception"])
def test_given_weights_mean_inception_and_a_note_where_they_are_not_the_published_ones(
    requested, inception_file: Path
) -> None:  # type: ignore[no-untyped-def]
    extractor, note = choose_extractor(requested, weights=inception_file, allow_download=False)
    assert (extractor.name, extractor.suffix) == ("inception", "")
    assert extractor.weights_digest == file_digest(inception_file)
    assert note is not None
    assert "not comparable with published" in note


def test_weights_at_torch_fidelitys_location_are_found(
    inception_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "adavit.metrics.extractor_choice.DIGEST_PREFIX", file_digest(inception_file)[:8]
    )
    monkeypatch.setattr(inception_weights, "DIGEST_PREFIX", file_digest(inception_file)[:8])
    weights_location().parent.mkdir(parents=True)
    weights_location().symlink_to(inception_file)
    extractor, note = choose_extractor("auto", allow_download=False)
    assert (extractor.name, note) == ("inception", None)


@pytest.mark.parametrize("requested", ["auto", "inception"])
def test_unfit_weights_are_an_error_and_never_replaced_in_silence(
    requested, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    torch.save({"layer": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"other\.pth lacks 566 tensors"):
        choose_extractor(requested, weights=tmp_path / "other.pth")


def test_weights_for_the_random_extractor_are_an_error(inception_file: Path) -> None:
    with pytest.raises(UserError, match="which has no weights file"):
        choose_extractor("random", weights=inception_file)


def test_an_unknown_extractor_is_an_error() -> None:
    with pytest.raises(UserError, match="--extractor is 'vgg', but must be auto, inception or"):
        choose_extractor("vgg")  # type: ignore[arg-type]


def test_mps_is_evaluated_on_the_cpu() -> None:
    assert choose_extractor("random", device="mps")[0].device == torch.device("cpu")
