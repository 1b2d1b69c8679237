from typing import Any

import pytest
import torch

from adavit.runs.state_check import check_like, check_moments

PRESENT = {
    "count": 3,
    "rate": 0.5,
    "on": True,
    "weights": torch.zeros(2, 3),
    "pair": (0.0, 0.99),
    "later": {},
    "nothing": None,
    "losses": torch.empty(0),
}


@pytest.mark.parametrize(
    "saved",
    [
        {},
        {"rate": 1},
        {"rate": float("inf")},
        {"rate": float("nan")},
        {"weights": torch.ones(2, 3)},
        {"later": {"x": 1}},
        {"nothing": 2},
        {"losses": torch.ones(7)},
        {"pair": [0.1, 0.2]},
    ],
)
def test_other_numbers_of_the_same_kind_fit(saved: dict[str, Any]) -> None:
    check_like(PRESENT | saved, PRESENT, "part")


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        ({"count": 10**30}, "part.count is 10+, expected a number below"),
        ({"count": 1.5}, "part.count is 1.5, expected int"),
        ({"count": True}, "part.count is True"),
        ({"rate": "0.5"}, "part.rate is '0.5', expected float"),
        ({"rate": 10**400}, "part.rate is <400 digits>"),
        ({"on": 1}, "part.on is 1, expected bool"),
        ({"weights": torch.zeros(3, 2)}, r"part.weights is \[3, 2\].*expected \[2, 3\]"),
        ({"weights": torch.zeros(2, 3).long()}, "int64"),
        ({"weights": 0}, "expected a tensor"),
        ({"losses": torch.ones(7, 2)}, r"part.losses is \[7, 2\]"),
        ({"pair": (0.1,)}, "part.pair is .*expected 2 values"),
        ({"pair": (0.1, None)}, r"part.pair\[1\] is None"),
        ({"later": 3}, "part.later is 3"),
    ],
)
def test_what_is_of_another_kind_is_named(saved: dict[str, Any], message: str) -> None:
    if "later" in saved:
        PRESENT_LATER = PRESENT | {"later": {"x": 1}}
        with pytest.raises(ValueError, match=message):
            check_like(PRESENT | saved, PRESENT_LATER, "part")
        return
    with pytest.raises(ValueError, match=message):
        check_like(PRESENT | saved, PRESENT, "part")


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="part lacks count"):
        check_like({"rate": 1.0}, PRESENT, "part")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: {"step": torch.tensor(1.0)}}, "Adam's moments"),
        ({7: {}}, "7, which is not a weight"),
        ({"0": {}}, "'0', which is not a weight"),
        ({10**30: {}}, "which is not a weight"),
    ],
)
def test_moments_are_those_of_their_weights(change: dict[Any, Any], message: str) -> None:
    weight = torch.nn.Parameter(torch.zeros(2, 3))
    optimiser = torch.optim.Adam([weight])
    weight.sum().backward()
    optimiser.step()
    saved = optimiser.state_dict()
    check_moments(saved, optimiser, "adam")
    with pytest.raises(ValueError, match=message):
        check_moments(saved | {"state": change}, optimiser, "adam")
    saved["state"][0]["exp_avg"] = torch.zeros(3, 2)
    with pytest.raises(ValueError, match=r"adam.state\[0\].exp_avg is \[3, 2\]"):
        check_moments(saved, optimiser, "adam")
