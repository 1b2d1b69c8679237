import pytest

from adavit.config.keep import every_kimg, keep_of, with_kept_apart


def test_words_and_what_they_stand_for() -> None:
    assert every_kimg("every:200") == 200.0
    assert every_kimg("every:0.5") == 0.5
    assert every_kimg("best") is None
    assert keep_of(["3"]) == {"keep_checkpoints": "3"}
    assert keep_of(["every:200"]) == {"keep_every_kimg": 200.0}
    both = {"keep_checkpoints": "3", "keep_every_kimg": 200.0}
    assert keep_of(["3", "every:200"]) == keep_of(["every:200", "3"]) == both


def test_a_section_is_written_out_without_being_changed() -> None:
    section = {"seed": 1, "keep_checkpoints": "3,every:200"}
    apart = with_kept_apart(section)
    assert apart == {"seed": 1, "keep_checkpoints": "3", "keep_every_kimg": 200.0}
    assert section == {"seed": 1, "keep_checkpoints": "3,every:200"}
    assert with_kept_apart({"keep_checkpoints": 3}) == {"keep_checkpoints": 3}


@pytest.mark.parametrize(
    "word", ["every:", "every:x", "every:0", "every:-1", "every:nan", "every:inf"]
)
def test_an_interval_is_a_number_above_0(word: str) -> None:
    with pytest.raises(ValueError, match=f"'{word}' has no number.*Write for example every:200"):
        every_kimg(word)


@pytest.mark.parametrize("words", [[], ["2", "3"], ["every:1", "every:2"], ["best"], ["2.5"]])
def test_other_words_are_refused(words: list[str]) -> None:
    with pytest.raises(ValueError, match=f"is '{','.join(words)}', expected a number of"):
        keep_of(words)
