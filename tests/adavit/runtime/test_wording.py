import pytest

from adavit.runtime.wording import counted, did_you_mean


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (12345, "12,345 files")]
)
def test_one_thing_is_singular(count: int, words: str) -> None:
    assert counted(count, "file", "files") == words


def test_the_nearest_word_is_asked_for() -> None:
    assert did_you_mean("axis", ["base", "axes"]) == " Did you mean axes?"
    assert did_you_mean("zzz", ["base", "axes"]) == ""
