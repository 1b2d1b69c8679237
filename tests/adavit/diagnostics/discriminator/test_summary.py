"""What is said of a record; of whole ones in `tests/cli/test_inspect.py`."""

from typing import Any

import pytest
import torch

from adavit.diagnostics.discriminator.summary import summarise_inspection
from adavit.watch.logits import LogitFigures

SIDES = {"training": torch.ones(4), "generated": torch.zeros(4)}


def record_of(figures: LogitFigures) -> dict[str, Any]:
    """Of a convolutional discriminator that raised no alarm."""
    return {
        "protocol": {"source": "run", "images_seen": 1000, "data": "pictures"},
        "logits": figures.as_record(),
        "saliency": {},
        "not_applicable": "No attention.",
        "alarms": [],
        "not_judged": [],
    }


@pytest.mark.parametrize(
    ("alarms", "not_judged", "last"),
    [
        ([], [], ["No alarm."]),
        ([], ["Unknown."], ["No alarm.", "Unknown."]),
        (["It is lost."], [], ["Warning: It is lost."]),
        (["It is lost."], ["Unknown."], ["Warning: It is lost.", "Unknown."]),
    ],
)
def test_what_could_not_be_judged_comes_beside_the_alarms(
    alarms: list[str], not_judged: list[str], last: list[str]
) -> None:
    record = record_of(LogitFigures(SIDES))
    text = summarise_inspection(record | {"alarms": alarms, "not_judged": not_judged})
    assert text.split("\n\n")[-1].splitlines() == last


def test_without_a_threshold_nothing_is_told_by_the_sign_of_a_logit() -> None:
    with_threshold = summarise_inspection(record_of(LogitFigures(SIDES)))
    text = summarise_inspection(record_of(LogitFigures(SIDES, threshold_at_zero=False)))
    assert "above 0" in with_threshold
    assert "differences" not in with_threshold
    assert "above 0" not in text
    assert "differences" in text
    row = next(line for line in text.splitlines() if line.startswith("training images"))
    assert row.split() == ["training", "images", "4", "+1.00", "0.00"]


def test_a_gradient_that_is_not_finite_is_left_open() -> None:
    norms: dict[str, Any] = {"training": None, "generated": 0.25}
    saliency = {kind: {"gradient_norm": {"mean": norm}} for kind, norm in norms.items()}
    text = summarise_inspection(record_of(LogitFigures(SIDES)) | {"saliency": saliency})
    rows = [line.split() for line in text.splitlines() if " images " in line]
    assert [row[-1] for row in rows if row[0] in SIDES] == ["-", "0.25"]


def test_heads_have_the_threshold_of_their_own_loss() -> None:
    record = record_of(LogitFigures(SIDES, threshold_at_zero=False))
    heads = {"features.1": LogitFigures(SIDES).as_record()}
    record["features"] = {"network": "squeezenet1_0", "side": 64, "heads": heads}
    lines = summarise_inspection(record).splitlines()
    rows = [line.split() for line in lines]
    cells = {row[0]: row[-3:] for row in rows if row[:1] in (["discriminator"], ["features.1"])}
    assert cells == {"discriminator": ["-", "-", "-"], "features.1": ["50%", "+1.00", "-"]}
