from collections.abc import Callable

import pytest
import torch

from adavit.config.run import RunConfig
from adavit.runtime.console import SilentConsole
from adavit.training.start.run_metadata import describe_data, describe_environment
from adavit.training.start.workload import load_workload

Tiny = Callable[..., RunConfig]


def test_what_was_trained_on_is_named(tiny: Tiny) -> None:
    workload = load_workload(tiny(), SilentConsole())
    found = describe_data(workload)
    assert found["classes"] == ["squares", "stripes"]
    assert (found["images"], found["training_images"], found["heldout_images"]) == (60, 50, 10)
    assert (found["resolution"], found["channels"], found["skipped"]) == (16, 3, [])
    assert found["fingerprint"] == workload.image_set.fingerprint


@pytest.mark.parametrize("installed", [True, False])
def test_the_version_of_timm_is_recorded_where_it_is_installed(
    installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    if not installed:
        monkeypatch.setattr("adavit.training.start.run_metadata.find_spec", lambda name: None)
    packages = describe_environment(torch.device("cpu"))["packages"]
    assert packages["torch"]
    assert packages.get("timm") == (timm.__version__ if installed else None)
