import pytest

from adavit.errors import UserError
from adavit.evaluation.requested_metrics import (
    check_measurable,
    measurable,
    refuse_flags_of_generators,
    with_subsets,
    with_unbiased,
)
from adavit.metrics.extractors.random_features import RandomFeatures


def test_kid_brings_its_published_form_with_it() -> None:
    assert with_subsets(["kid", "fid"]) == ["kid", "kid_subsets", "fid"]
    assert with_subsets(["kid_subsets", "kid"]) == ["kid_subsets", "kid"]
    with pytest.raises(UserError, match="name each metric once"):
        with_subsets(["fid", "fid"])


@pytest.mark.parametrize(
    ("fakes", "real", "few"), [(1000, 5000, True), (5000, 999, True), (1001, 1001, False)]
)
def test_a_frechet_distance_of_few_images_is_not_left_alone(
    fakes: int, real: int, few: bool
) -> None:
    names, notes = with_unbiased(["fid"], RandomFeatures(), fakes=fakes, real=real)
    assert names == (["fid", "kid", "kid_subsets"] if few else ["fid"])
    assert [note.split(" is biased")[0] for note in notes] == (
        [f"fd_random of {fakes:,} against {real:,} images"] if few else []
    )
    assert with_unbiased(["precision"], RandomFeatures(), fakes=9, real=9) == (["precision"], [])


def test_what_a_network_cannot_measure_is_left_out_or_refused() -> None:
    assert measurable(["fid", "is", "ppl"], RandomFeatures()) == ["fid", "ppl"]
    with pytest.raises(UserError, match="random"):
        check_measurable(["fid", "is"], RandomFeatures())
    check_measurable(["fid", "ppl"], RandomFeatures())


@pytest.mark.parametrize(
    ("metrics", "which", "truncation", "flag"),
    [
        (["fid"], "best", None, "--which is best"),
        (["fid"], None, 0.7, "--truncation is 0.7"),
        (["fid", "ppl"], None, None, "--metrics is ppl"),
    ],
)
def test_images_take_no_flags_of_generators(
    metrics: list[str], which: str | None, truncation: float | None, flag: str
) -> None:
    with pytest.raises(UserError, match=f"{flag}, which takes a generator, but 'drawn'"):
        refuse_flags_of_generators("drawn", metrics, which, truncation)
    refuse_flags_of_generators("drawn", ["fid"], None, None)
