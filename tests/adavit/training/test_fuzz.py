"""Checkpoints with anything in them: the run goes on, or they are refused in a line and nothing is changed."""

import contextlib
import math
import random
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import adavit
from adavit.errors import RunError
from adavit.runs.checkpoint import checkpoint_bytes
from tests.adavit.conftest import draw_pictures, tiny_config
from tests.references.odd_values import ODD_TENSORS, ODD_VALUES, changed, outcome

pytestmark = pytest.mark.slow

INPUTS = 40
OFTEN = {"metrics": {"every_kimg": 0.016}, "training": {"total_kimg": 0.032}}


def test_a_run_goes_on_from_a_checkpoint_or_refuses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path / "cache"))
    whole = adavit.train(tiny_config(draw_pictures(tmp_path / "pictures"), tmp_path / "run", OFTEN))
    state = torch.load(whole / "checkpoint.pt", weights_only=True)
    # What decides where a run stands is a small part of all that is in it.
    few = {key: state[key] for key in state if key in ("progress", "window", "probability")}
    optimisers = {key: state[key] for key in state if "optimi" in key}
    assert optimisers
    longer = [{"training": {"total_kimg": 0.048}}]
    chance, went_on = random.Random(0), 0
    for number in range(INPUTS):
        part: dict[str, Any] = [few, few, optimisers, state][number % 4]
        odd = {**state, **changed(part, chance, ODD_VALUES + ODD_TENSORS)}
        run = tmp_path / "copy"
        shutil.copytree(whole, run)
        (run / "checkpoint.pt").write_bytes(checkpoint_bytes(odd))
        logs = (run / "stats.jsonl").read_bytes()
        with contextlib.suppress(RunError):  # of numbers with which it diverges
            _, refusal = outcome(partial(adavit.resume, run, longer))
            if refusal:
                assert (run / "stats.jsonl").read_bytes() == logs
            else:
                after = torch.load(run / "checkpoint.pt", weights_only=True)["progress"]
                assert after["images"] >= 48
                assert math.isfinite(after["seconds"])
                went_on += 1
        shutil.rmtree(run)
    assert 0 < went_on < INPUTS
