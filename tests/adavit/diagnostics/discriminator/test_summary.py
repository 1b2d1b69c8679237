"""What is said of a record; of whole ones in `tests/cli/test_inspect.py`."""

from typing import Any

import pytest
import torch

from adavit.diagnostics.discriminator.summary import summarise_inspection
from adavit.watch.logits import LogitFigures


def record_of(**sides: torch.Tensor) -> dict[str, Any]:
    """Of a convolutional discriminator that raised no alarm."""
    return {
        "protocol": {"source": "run", "images_seen": 1000, "data": "pictures"},
        "logits": LogitFigures(sides).as_record(),
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
    record = record_of(training=torch.ones(4), generated=torch.zeros(4))
    text = summarise_inspection(record | {"alarms": alarms, "not_judged": not_judged})
    assert text.split("\n\n")[-1].splitlines() == last
