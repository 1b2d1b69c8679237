import importlib
import multiprocessing
import pickle
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
import yaml

from adavit.data import load_images
from adavit.data.unusable_source import UnusableSource
from adavit.errors import Portable, RunError, UserError, first_line, shown
from adavit.experiments.patience import QueueUnreachable
from adavit.generation.sampling import ImagesNotFinite
from adavit.metrics.extractors.weight_files import WeightsAbsentError
from adavit.runtime.device_failure import DeviceFailed
from adavit.runtime.signals import Stopped
from adavit.training.slice_memory import NoSmallerSlices
from adavit.training.start.footprint import StepTooLarge
from benchmarks.house import ROOT, modules

LAUGHS = yaml.safe_load(
    "a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\nd: [*c, *c]"
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("many", "'many'"),
        (-3, "-3"),
        (2.5, "2.5"),
        (None, "None"),
        ([1, 2], "[1, 2]"),
        ({"a": 1}, "{'a': 1}"),
        (10**40 - 1, "9" * 40),
        (10**41, "<41 digits>"),
    ],
)
def test_a_value_is_shown_as_it_is_while_it_is_short(value: Any, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    "value", ["x" * 10**6, list(range(10**6)), LAUGHS, {i: [i] for i in range(99)}]
)
def test_whatever_a_file_holds_is_shown_shortly(value: Any) -> None:
    assert len(shown(value)) < 700


def test_the_first_line_of_an_error_or_its_class() -> None:
    assert first_line(ValueError("  one\ntwo")) == "one"
    assert first_line(KeyError()) == "KeyError"


OF_TWO_PARTS: list[Portable] = [
    UserError("wrong"),
    RunError("failed"),
    UnusableSource("photos", "holds no image"),
    Stopped(signal.SIGTERM, go_on="adavit train --resume a", left="it is written"),
    WeightsAbsentError("there are none", "Download them."),
    QueueUnreachable("it is gone", "refused"),
    NoSmallerSlices("memory ran out", lasting=True),
    StepTooLarge("too large."),
    ImagesNotFinite("2 of 4 images are not finite"),
    DeviceFailed("the device is gone"),
]


def kinds(kind: type) -> Iterator[type]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


def test_errors_come_out_of_other_processes_as_they_were() -> None:
    for name, module in modules().items():
        source = (ROOT / module.path).read_text("utf-8")
        if any(f"({base}):" in source for base in ("UserError", "RunError", "Portable")):
            importlib.import_module(name)
    own = {kind for kind in kinds(Portable) if "__init__" in vars(kind)}
    assert own <= {type(error) for error in OF_TWO_PARTS}
    for error in OF_TWO_PARTS:
        error.add_note("seen")
        back = pickle.loads(pickle.dumps(error))
        assert (type(back), str(back)) == (type(error), str(error))
        assert back.__dict__ == error.__dict__


def test_a_wrong_call_leaves_a_pool_of_processes_whole() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        with pytest.raises(UnusableSource, match=r"data\.source 'nowhere'"):
            pool.submit(load_images, "nowhere").result()
        assert pool.submit(abs, -1).result() == 1
