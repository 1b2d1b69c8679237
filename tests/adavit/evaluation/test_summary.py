"""The table of an evaluation."""

import re
from typing import Any

from adavit.evaluation.summary import REAL_HEADS, summarise_evaluation
from adavit.metrics.names import REAL_SCORES

PROTOCOL: dict[str, Any] = {
    "n_fake": 2000,
    "n_real": 1500,
    "n_heldout": 100,
    "n_floor_reference": 1400,
    "n_training": 1399,
    "n_half": 750,
    "reference": "flowers",
    "split": "train",
    "resolution": 32,
    "name": "quick5k",
}
RECORD: dict[str, Any] = {
    "images": 80_000,
    "fd_random": 1.25,
    "fd_random_floor": 0.961,
    "fd_random_at_floor": 2.5,
    "fd_random_training": 0.125,
    "fd_random_halves": 0.0625,
    "is": 7.5,
    "is_std": 0.25,
    "protocol": PROTOCOL,
    "source": {"name": "runs/a", "generator": "generator-best.safetensors"},
}


def test_a_line_per_figure_with_what_real_images_score() -> None:
    lines = summarise_evaluation(RECORD).splitlines()
    assert lines[0] == (
        "runs/a: 2,000 fakes of generator-best.safetensors at 80 kimg, against 1,500 real images of"
        " flowers (train), at 32 px; protocol quick5k."
    )
    head, fd, score = (re.split(" {2,}", line) for line in lines[2:5])
    assert head == [
        *("metric", "figure", "against", "held-out", "as few fakes", "trained on", "halves", "note")
    ]
    note = "lower is better; random network, so no FID"
    assert fd == ["fd_random", "1.25", "1,500", "0.961", "2.5", "0.125", "0.0625", note]
    assert score == ["is", "7.5", "nothing", "higher is better, ± 0.25"]


def test_every_column_of_real_images_is_explained_with_its_numbers() -> None:
    assert set(REAL_HEADS) == set(REAL_SCORES)
    said = dict(line.split(": ", 1) for line in summarise_evaluation(RECORD).splitlines()[6:])
    assert list(said) == list(REAL_HEADS.values())
    numbers = {head: re.findall(r"[\d,]*\d", words) for head, words in said.items()}
    assert numbers == {
        "held-out": ["100", "1,400"],
        "as few fakes": ["100", "1,400"],
        "trained on": ["1,399"],
        "halves": ["750"],
    }


def test_a_figure_below_that_of_the_images_trained_on_is_not_taken_for_copying() -> None:
    (line,) = (
        line for line in summarise_evaluation(RECORD).splitlines() if line.startswith("trained on:")
    )
    assert line == (
        "trained on: what the 1,399 images trained on score against the others; few images score worse than many."
        " Whether images are copies is for adavit memorisation."
    )


def test_what_was_not_measured_is_no_column() -> None:
    record = {"ppl": 100.0, "protocol": {**PROTOCOL, "n_real": None}, "source": {"name": "x"}}
    lines = summarise_evaluation(record).splitlines()
    assert lines[0] == "x: 2,000 fakes, at 32 px; protocol quick5k."
    assert re.split(" {2,}", lines[2]) == ["metric", "figure", "against", "note"]
    assert len(lines) == 4
