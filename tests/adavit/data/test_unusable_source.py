import pytest

from adavit.data.unusable_source import UnusableSource, source_called
from adavit.errors import UserError


def test_a_source_is_called_what_the_user_calls_it_and_stays_as_it_is_itself() -> None:
    error = UnusableSource("my data.source\n", "is empty. Fill it.")
    told = r"'my data.source\n' is empty. Fill it."
    assert str(error) == f"data.source {told}"
    for name, expected in (("--data", f"--data {told}"), (None, told)):
        with pytest.raises(UserError) as caught, source_called(name):
            raise error
        assert str(caught.value) == expected


def test_other_errors_stay_as_they_are() -> None:
    error = UserError("data.source of something else")
    with pytest.raises(UserError) as caught, source_called("--data"):
        raise error
    assert caught.value is error
