"""Random sets through the commands that read images: they succeed or refuse, and the counts add up."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import TINY, Adavit
from tests.references.planted_sets import PlantedSet, plant

SETS = int(os.environ.get("ADAVIT_FUZZ_SETS", "150")) // 10

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="names, links and pipes of POSIX"),
]


def check_count(planted: PlantedSet, count: int) -> None:
    assert len(planted.good) <= count <= len(planted.good) + len(planted.open)


@pytest.mark.usefixtures("unforeseen")
@pytest.mark.parametrize("seed", range(SETS))
def test_training_on_a_random_set_is_possible_or_refused(
    adavit: Adavit, tmp_path: Path, seed: int
) -> None:
    planted = plant(tmp_path, seed)
    cond = ["--cond"] if seed % 2 else []
    outcome = adavit("train", "--data", planted.path, *TINY, *cond, "--dry-run")
    assert outcome.code in (0, 2), outcome.err
    assert "Traceback" not in outcome.err
    if outcome.code == 0:
        count = re.search(r"Found (\d+) images", outcome.out)
        assert count is not None
        check_count(planted, int(count[1]))
    else:
        assert outcome.err.count("\n") == 1, outcome.err


@pytest.mark.parametrize("seed", range(SETS))
def test_a_random_set_is_evaluated_or_refused(adavit: Adavit, tmp_path: Path, seed: int) -> None:
    (tmp_path / "other").mkdir()
    planted, other = plant(tmp_path, seed), plant(tmp_path / "other", seed + 1000)
    outcome = adavit(
        "evaluate",
        planted.path,
        "--data",
        other.path,
        *"--json --extractor random --device cpu".split(),
    )
    assert outcome.code in (0, 2), outcome.err
    assert "Traceback" not in outcome.err
    if outcome.code == 0:
        protocol = json.loads(outcome.out)["protocol"]
        check_count(planted, protocol["n_fake"])
        check_count(other, protocol["n_real"])
