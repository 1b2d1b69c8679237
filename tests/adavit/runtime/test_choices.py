import pytest

from adavit.errors import UserError
from adavit.runtime.choices import check_choice, check_scale, check_some


def test_words_of_the_list_pass_and_others_are_refused_with_it() -> None:
    check_choice("--space", "w", ("w", "z"))
    for wrong in ("W", "", None, 3, "w" * 1000):
        with pytest.raises(UserError, match=r"^--space is .{1,90}, expected one of w, z\."):
            check_choice("--space", wrong, ("w", "z"))


def test_pixels_become_one_or_more() -> None:
    check_scale(None)
    check_scale(1)
    with pytest.raises(UserError, match=r"^--scale is 0, expected at least 1\."):
        check_scale(0)


@pytest.mark.parametrize("empty", [[], (), range(0)])
def test_lists_of_nothing_are_refused(empty: list[int]) -> None:
    check_some("--rows", [0], "0-3")
    with pytest.raises(UserError, match=r"^--rows names nothing, .* for example --rows 0-3\.$"):
        check_some("--rows", empty, "0-3")
