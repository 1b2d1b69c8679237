"""Slices that a batch allows."""

from typing import Any

import pytest

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.config.microbatches import (
    LARGEST,
    calculated_of_slices,
    smaller_slices,
    told_of_slices,
    with_microbatch,
)
from adavit.config.run import ResolvedConfig
from adavit.runtime.resolution import Resolution


def config(*layers: dict[str, Any]) -> ResolvedConfig:
    return resolve(build_config(layers), RunFacts(Resolution(32, 32), 100, "cpu"))


def sizes(run: ResolvedConfig, most: int, processes: int = 1) -> list[int | None]:
    found = smaller_slices(run, most, processes=processes)
    return [each.training.microbatch for each in found]


@pytest.mark.parametrize(
    ("batch", "group", "most", "processes", "expected"),
    [
        (48, 0, 48, 1, [48, 24, 16, 12, 8, 6, 4, 3, 2, 1]),
        (48, 4, 24, 1, [24, 16, 12, 8, 4]),
        (48, 3, 5, 1, [3]),
        (48, 0, 48, 4, [12, 6, 4, 3, 2, 1]),
        (48, 4, 3, 1, []),
        (48, 0, 48, 5, []),
        (2 * LARGEST, 0, 2 * LARGEST, 1, [2**power for power in range(15, -1, -1)]),
        (10**22, 4, 10, 1, [8, 4]),
    ],
)
def test_slices_divide_the_share_of_a_process_and_keep_groups(
    batch: int, group: int, most: int, processes: int, expected: list[int]
) -> None:
    run = config(
        {"training": {"batch": batch}, "discriminator": {"minibatch_std_group": group}},
    )
    assert sizes(run, most, processes) == expected


def test_nothing_but_the_slices_changes() -> None:
    run = config({"training": {"batch": 16}})
    half = with_microbatch(run, 8)
    assert half is not None
    assert half.as_dict() == run.as_dict() | {
        "training": run.as_dict()["training"] | {"microbatch": 8}
    }
    assert with_microbatch(run, 2) is None  # groups of four


def test_slices_of_which_top_k_leaves_none_out_are_none() -> None:
    run = config(
        {"training": {"batch": 12, "top_k": 0.75}, "discriminator": {"minibatch_std_group": 0}},
    )
    assert sizes(run, 12) == [12, 6, 4]


NETWORK = "torchvision:resnet18"


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        ({}, []),
        ({"training": {"top_k": 1}}, []),
        ({"training": {"top_k": 0.5}}, ["training.top_k"]),
        (
            {"discriminator": {"normalization": "chain"}},
            ["discriminator.normalization=chain"],
        ),
        ({"discriminator": {"kind": "vit"}}, []),
        ({"features": {"network": NETWORK}}, []),
        (
            {"features": {"network": NETWORK}, "discriminator": {"kind": "projected"}},
            ["features.normalization=batch"],
        ),
        ({"features": {"normalization": "batch"}}, []),
    ],
)
def test_what_is_calculated_of_slices_is_named(layer: dict[str, Any], named: list[str]) -> None:
    run = config(layer)
    assert calculated_of_slices(run) == named
    assert told_of_slices(run).startswith("what each slice draws for itself")
    assert all(setting in told_of_slices(run) for setting in named)
