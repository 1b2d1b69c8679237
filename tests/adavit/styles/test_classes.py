"""Which class is asked for; its refusals are tested in tests/adavit/generation/test_generate.py."""

from pathlib import Path

import pytest

from adavit.errors import UserError
from adavit.styles.classes import ClassChoice, choose_class, class_label
from tests.stored_generators import stored_generator


def test_a_class_is_one_or_drawn_in_shares_or_evenly(tmp_path: Path) -> None:
    stored = stored_generator(tmp_path, num_classes=3)
    assert choose_class(stored, "cow") == ClassChoice(index=2)
    assert choose_class(stored, None) == ClassChoice(weights=[3.0, 0.0, 1.0])
    assert choose_class(stored, None, "even") == ClassChoice(weights=[1.0, 0.0, 1.0])
    with pytest.raises(UserError, match=r"no image of it .* expected one of: cat, cow\. Name"):
        choose_class(stored, "dog")
    assert [class_label(stored, index) for index in (0, 3)] == ["cat", "3"]


def test_without_classes_there_is_no_choice(tmp_path: Path) -> None:
    stored = stored_generator(tmp_path)
    assert choose_class(stored, None) == ClassChoice()
    with pytest.raises(UserError, match="was trained without classes"):
        choose_class(stored, "cat")
