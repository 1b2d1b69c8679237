"""The microbatch that memory allows."""

import re
from typing import Any

import pytest
import torch

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.errors import UserError
from adavit.runtime.resolution import Resolution
from adavit.training.start import memory_choice
from adavit.training.start.memory_choice import CONTEXT, held_before, within_memory

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def plain_needs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """10 MB for each image, beside 100 MB; returns for which microbatches that was asked."""
    asked: list[int] = []

    def expected(config: ResolvedConfig, device: torch.device) -> int:
        asked.append(config.training.images_at_a_time)
        return 10_000_000 * config.training.images_at_a_time

    monkeypatch.setattr(memory_choice, "expected_bytes", expected)
    monkeypatch.setattr(memory_choice, "held_before", lambda _: 100_000_000)
    return asked


def chosen(memory: str, processes: int = 1, **training: Any) -> tuple[ResolvedConfig, str]:
    config = build_config([{"training": {"batch": 48} | training, "run": {"memory": memory}}])
    resolved = resolve(config, RunFacts(Resolution(32, 32), 100, "cpu", processes=processes))
    return within_memory(config, resolved, CPU, processes)


@pytest.mark.parametrize(
    ("memory", "processes", "microbatch"),
    [
        ("8GB", 1, 48),
        ("580MB", 1, 48),
        ("579MB", 1, 24),
        ("339MB", 1, 16),
        ("199MB", 1, 8),
        ("140MB", 1, 4),
        ("8GB", 2, 24),
    ],
)
def test_it_is_the_largest_that_fits(
    memory: str, processes: int, microbatch: int, plain_needs: list[int]
) -> None:
    config, told = chosen(memory, processes)
    assert config.training.microbatch == microbatch
    assert config.run.memory is None
    assert config.discriminator.minibatch_std_group == 4  # type: ignore[union-attr]
    assert f"Microbatch: {microbatch} of 48 images" in told
    assert "the weights are others than those of" in told
    assert len(plain_needs) <= 4  # of six that there are


def test_what_fits_nowhere_is_refused_with_what_would_do() -> None:
    with pytest.raises(
        UserError, match=r"about 140 MB even with 4 images .* \(100 MB of it"
    ) as told:
        chosen("139MB")
    found = re.search(r"Give (\S+),", str(told.value))
    assert found is not None
    assert chosen(found[1])[0].training.microbatch == 4


def test_what_is_named_for_a_need_that_is_rounded_down_in_words_is_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory_choice, "held_before", lambda _: 645_400_000)
    with pytest.raises(UserError, match=r"needs about 685 MB .* Give 700MB, a lower"):
        chosen("685MB")


def test_one_of_both_is_to_be_given() -> None:
    with pytest.raises(UserError, match=r"training.microbatch is 8. Leave one of the two out"):
        chosen("8GB", microbatch=8)


def test_what_is_no_amount_is_refused() -> None:
    with pytest.raises(UserError, match="Use 8GB, 8GiB or 6000MB"):
        build_config([{"run": {"memory": "much"}}])


def test_what_is_taken_before() -> None:
    assert held_before(torch.device("cuda")) == CONTEXT
    assert 5e7 < held_before(CPU) < 2e10


def test_the_settings_of_a_user_are_left_alone() -> None:
    config = build_config([{"run": {"memory": "1GB"}}])
    assert isinstance(config, RunConfig)
    within_memory(config, resolve(config, RunFacts(Resolution(32, 32), 100, "cpu")), CPU)
    assert config.run.memory == "1GB"
