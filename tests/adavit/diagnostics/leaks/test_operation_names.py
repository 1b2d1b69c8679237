import pytest

from adavit.augment.settings import OPERATIONS
from adavit.diagnostics.leaks.operation_names import check_operations, check_preset
from adavit.errors import UserError


@pytest.mark.parametrize("names", [OPERATIONS, ["RandomInvert", "rotate"]])
def test_operations_of_ours_and_of_kornia_pass(names: list[str]) -> None:
    check_operations(names)


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["rotate", "rotation"], "names 'rotation', expected"),
        ([], "names nothing, expected"),
        (["RandomHuee", "hueue"], "names 'RandomHuee', 'hueue', expected"),
        (["RandomRotation"], "names 'RandomRotation', expected"),  # it needs keywords
        (["RandomMosaic"], "names 'RandomMosaic', expected"),  # it mixes images
    ],
)
def test_others_are_refused(names: list[str], shown: str) -> None:
    with pytest.raises(UserError, match=f"{shown} some of: xflip"):
        check_operations(names)


def test_a_preset_is_one_of_ours() -> None:
    check_preset("bgc")
    check_preset("diffaug")
    with pytest.raises(UserError, match="--augment is 'bcg', expected one of: blit"):
        check_preset("bcg")
