from typing import Any

import pytest

from adavit.config.layers import build_config
from adavit.config.run_settings import RunSettings
from adavit.config.section import writable
from adavit.errors import UserError

Settings = writable(RunSettings)


def kept(**values: Any) -> tuple[int, float | None]:
    settings = Settings(**values)
    return settings.keep_checkpoints, settings.keep_every_kimg


def test_what_is_kept_is_written_in_one_word_or_as_two_settings() -> None:
    assert kept() == (2, None)
    assert kept(keep_checkpoints="3") == kept(keep_checkpoints=3) == (3, None)
    assert kept(keep_checkpoints="every:200") == (2, 200.0)
    assert kept(keep_checkpoints="3, every:0.5") == (3, 0.5)
    assert kept(keep_every_kimg=7) == (2, 7.0)
    # What a run holds, and a flag over it.
    assert kept(keep_checkpoints="every:100", keep_every_kimg=200) == (2, 100.0)
    assert kept(keep_checkpoints="4", keep_every_kimg=200) == (4, 200.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("evry:3", "run.keep_checkpoints is 'evry:3', expected a number of checkpoints"),
        ("every:0", "'every:0' has no number of thousands"),
        ("", "run.keep_checkpoints is ''"),
        ("0", "run.keep_checkpoints is '0', expected greater than or equal to 1"),
        ("0,every:3", "run.keep_checkpoints is '0', expected greater than or equal to 1"),
        (0, "run.keep_checkpoints is 0, expected greater than or equal to 1"),
    ],
)
def test_what_cannot_be_kept_is_told(given: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_config([{"run": {"keep_checkpoints": given}}])
