import math
import re

import pytest

from adavit.errors import UserError
from adavit.runtime.patch import Patch
from adavit.runtime.resolution import LARGEST_SIDE, possible_resolutions


def test_what_people_write_is_read_and_written_again() -> None:
    for written in (4, "4", "4x4", (4, 4), Patch(4, 4)):
        patch = Patch.of(written)
        assert isinstance(patch, Patch)
        assert (patch, patch.plain) == ((4, 4), 4)
    assert Patch.of("3x5") == Patch(height=3, width=5)
    assert Patch.of(Patch.of("3x5").plain) == (3, 5)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("a", r"^patch is 'a', but must be a side in pixels or height x width\. Use 4, or 3x5\.$"),
        (4.0, "^patch is 4.0, but must be a side in pixels or height x width"),
        (True, "^patch is True, but must be a side"),
        ("0x3", r"^patch is '0x3', but must be at least 1 and .* high and wide\. Use 1x3\.$"),
        (0, r"^patch is 0, but must be at least 1 .* Use 1\.$"),
        (-3, r"^patch is -3, but must be at least 1 .* Use 1\.$"),
        ("9999x2", rf"^patch is '9999x2', but .* at most {LARGEST_SIDE} pixels.* Use 8192x2\.$"),
        pytest.param(
            10**5000, r"^patch is <5000 digits>, but must be at least 1 .* Use 8192\.$", id="huge"
        ),
    ],
)
def test_what_is_no_patch_is_refused(written: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Patch.of(written)


def test_the_setting_is_named() -> None:
    with pytest.raises(UserError, match=r"^discriminator\.patch is 'a', but"):
        Patch.of("a", named="discriminator.patch")


@pytest.mark.parametrize(
    ("patch", "size", "grid"),
    [("3x5", (24, 40), (8, 8)), ("6x4", (24, 40), (4, 10)), ("4x8", (48, 32), (12, 4))],
)
def test_the_grid_has_a_place_for_each_patch(
    patch: str, size: tuple[int, int], grid: tuple[int, int]
) -> None:
    Patch.of(patch).check_fills(size)
    assert Patch.of(patch).grid_of(size) == grid


@pytest.mark.parametrize(
    ("patch", "size", "said"),
    [
        (
            "5x7",
            (24, 40),
            "patch is 5x7, but must divide the resolution (24x40): a patch may be 1, 2, 3, 4, 6, 8, 12, 24"
            " high and 1, 2, 4, 5, 8, 10, 20, 40 wide. Use 6x8.",
        ),
        (
            "3x5",
            (32, 32),
            "patch is 3x5, but must divide the resolution (32): the sides of a patch may be 1, 2, 4, 8, 16,"
            " 32. Use 4.",
        ),
        (
            5,
            (24, 40),
            "patch is 5, but must divide the resolution (24x40): a patch may be 1, 2, 3, 4, 6, 8, 12, 24"
            " high and 1, 2, 4, 5, 8, 10, 20, 40 wide. Use 4.",  # a square stays one
        ),
    ],
)
def test_patches_that_leave_something_over_are_refused(
    patch: object, size: tuple[int, int], said: str
) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(said)}$"):
        Patch.of(patch).check_fills(size)


def test_the_remedy_always_fills_the_images() -> None:
    for size in set(possible_resolutions(56)):
        for patch in (Patch(5, 5), Patch(3, 11), Patch(64, 1)):
            whole = all(
                side % part == 0 and part <= side for side, part in zip(size, patch, strict=True)
            )
            try:
                patch.check_fills(size)
            except UserError as error:
                assert not whole
                remedy = Patch.of(re.search(r"Use (\w+)\.$", str(error))[1])  # type: ignore[index]
                remedy.check_fills(size)
                assert remedy.is_square or not patch.is_square
            else:
                assert whole


def test_the_nearest_side_is_that_of_the_least_factor() -> None:
    for wanted in range(1, 60):
        with pytest.raises(UserError) as caught:
            Patch(wanted, 7).check_fills((48, 64))
        remedy = Patch.of(re.search(r"Use (\w+)\.$", str(caught.value))[1])  # type: ignore[index]
        factors = {
            side: max(side / wanted, wanted / side) for side in (1, 2, 3, 4, 6, 8, 12, 16, 24, 48)
        }
        assert math.isclose(factors[remedy.height], min(factors.values()))
