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

    def expected(config: ResolvedConfig, device: torch.device, processes: int) -> int:
        asked.append(config.training.images_at_a_time)
        return 10_000_000 * config.training.images_at_a_time

    monkeypatch.setattr(memory_choice, "expected_bytes", expected)
    monkeypatch.setattr(memory_choice, "held_before", lambda _: 100_000_000)
    return asked


def chosen(
    memory: str, processes: int = 1, layer: dict[str, Any] | None = None, **training: Any
) -> tuple[ResolvedConfig, str]:
    asked = {"training": {"batch": 48} | training, "run": {"memory": memory}}
    config = build_config([asked, layer or {}])
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
    # Those below it are not counted, which takes seconds.
    assert plain_needs == [size for size in (48, 24, 16, 12, 8, 4) if size in plain_needs]
    assert plain_needs[-1] == microbatch


def test_what_fits_nowhere_is_refused_with_what_would_do() -> None:
    with pytest.raises(
        UserError, match=r"about 140 MB even with 4 images .* \(100 MB of it"
    ) as told:
        chosen("139MB")
    found = re.search(r"Give (\S+),", str(told.value))
    assert found is not None
    assert chosen(found[1])[0].training.microbatch == 4


UNEVEN = {64: 3196, 32: 2027, 16: 1524, 8: 1339, 4: 1458, 2: 1587, 1: 1716}
"""Megabytes of a step by its microbatch: of small slices more sums are held at the same time."""


@pytest.mark.parametrize("group", [0, 2, 4])
def test_where_smaller_slices_take_more_what_fits_is_found_and_the_least_named(
    monkeypatch: pytest.MonkeyPatch, group: int
) -> None:
    def expected(config: ResolvedConfig, device: torch.device, processes: int) -> int:
        return 1_000_000 * UNEVEN[config.training.images_at_a_time]

    monkeypatch.setattr(memory_choice, "expected_bytes", expected)

    def microbatch(memory: str) -> int | None:
        grouped = {"discriminator": {"minibatch_std_group": group}}
        return chosen(memory, layer=grouped, batch=64)[0].training.microbatch

    for memory, size in (("4GB", 64), ("2.2GB", 32), ("1630MB", 16), ("1.5GB", 8)):
        assert microbatch(memory) == size
    with pytest.raises(UserError, match=r"about 1\.44 GB even with 8 images at a time") as told:
        microbatch("1400MB")
    found = re.search(r"Give (\S+),", str(told.value))
    assert found is not None
    assert microbatch(found[1]) == 8


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
