import pytest
import torch  # noqa: F401  kornia is imported below it, as everywhere

from adavit.augment import kornia_names
from adavit.augment.kornia_names import check_name, names_in_files, nearest
from tests.augment.test_kornia_operations import of_one_image


def test_the_names_in_the_files_are_those_that_kornia_has() -> None:
    import kornia.augmentation

    found = names_in_files()
    assert found is not None
    assert sorted(found.of_one_image) == sorted(of_one_image())
    assert all(hasattr(kornia.augmentation, name) for name in found.others)
    assert {"RandomMosaic", "RandomAffine3D", "AugmentationSequential"} <= set(found.others)


def test_what_kornia_has_is_left_to_it() -> None:
    for name in (*of_one_image(), "RandomMosaic", "AugmentationSequential"):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("RandomHuee", "mean RandomHue?"), ("rotate", "mean RandomRotation?"), ("xyz", "for example")],
)
def test_a_name_of_nothing_is_refused(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=f"has no {name!r}") as refused:
        check_name(name)
    assert (hint in str(refused.value)) == (
        nearest(name, of_one_image()) is not None or name == "xyz"
    )


def test_files_of_another_layout_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kornia_names, "names_in_files", lambda: None)
    check_name("RandomHuee")
