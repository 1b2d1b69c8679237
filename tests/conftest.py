"""Settings of all tests."""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

# The tensors of tests are so small that a second thread costs more than it brings, the more so where tests run
# side by side. Programs that tests start inherit it.
os.environ["OMP_NUM_THREADS"] = "1"

# Processes that join ask the machine's resolver for the names of one another (torch's store does, for its log); one
# that loses questions kept them apart for a minute.
os.environ["RES_OPTIONS"] = "timeout:1 attempts:1"

import torch

from adavit.runtime import processor

# What is chosen for a CPU, the precision above all, is that for an unknown one on every machine. Tests of what others
# get name one. Programs that tests start see the machine's own, so theirs hold in float32 and in bfloat16.
processor.CPUINFO = Path(os.devnull)

torch.set_num_threads(1)

# A run that nohup has started lives on when its terminal hangs up. Tests of that signal hold where they are started so.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

if not torch.cuda.is_available():
    # Tensors without content, and the compiler by them, would pretend a CUDA device, and autograd start a thread for
    # it: then no test of the same process could fork any more. None of them asks for that device.
    torch._C._ensureCUDADeviceGuardSet = lambda: None

PICTURES = ("run_output.draw_curves", "run_output.draw_film")


@pytest.fixture(scope="module", autouse=True)
def search_of_garbage_begins_here() -> None:
    """What earlier tests have left for good, libraries and their caches, is not searched for garbage any more.

    Trainings of workers collect it. At the end of all tests each search of some million objects took seconds, most of
    the time of a short run.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def no_pictures_of_runs() -> Iterator[None]:
    """Curves and the film decide nothing, and take two thirds of the time of a run as short as those of tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in PICTURES:
            patch.setattr(f"adavit.training.{name}", lambda *_: None)
        yield


@pytest.fixture
def pictures_of_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of this process draw them, as everywhere but in tests."""
    from adavit.training.curves import draw_curves
    from adavit.training.film import draw_film

    for name, draw in zip(PICTURES, (draw_curves, draw_film), strict=True):
        monkeypatch.setattr(f"adavit.training.{name}", draw)
