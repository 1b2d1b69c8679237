"""What `--device` takes, and how it is refused wherever it is given."""

import pytest

from adavit.config.layers import build_config
from adavit.config.pretraining import build_pretrain_config
from adavit.errors import UserError
from adavit.experiments.worker_pool import WorkerPool
from adavit.runtime.device_names import DEVICES, checked_device
from adavit.runtime.devices import choose_device


def test_what_is_known_is_taken() -> None:
    assert [checked_device(name, "--device") for name in DEVICES] == ["auto", "cpu", "cuda"]


@pytest.mark.parametrize(
    ("refuse", "given"),
    [
        (lambda: checked_device("mps", "--device"), "--device"),
        (lambda: choose_device("mps"), "--device"),
        (lambda: build_config([{"run": {"device": "mps"}}]), "run.device"),
        (lambda: build_pretrain_config([{"run": {"device": "mps"}}]), "run.device"),
        (lambda: WorkerPool(None, devices=("mps",)), "--devices"),
    ],
)
def test_mps_is_refused_with_the_reason_and_what_to_use(refuse, given: str) -> None:
    with pytest.raises(UserError) as refused:
        refuse()
    text = str(refused.value)
    assert text.startswith(f"{given} is 'mps', which has no float64: ")
    assert text.endswith("Expected one of: auto, cpu, cuda. Use cpu.")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("name", "several"), [("tpu", False), ("cuda:7", True), ("", False), ("CUDA", False)]
)
def test_a_device_of_another_name_is_refused(name: str, several: bool) -> None:
    with pytest.raises(UserError) as refused:
        checked_device(name, "--device")
    text = str(refused.value)
    assert text.startswith(f"--device is {name!r}, expected one of: auto, cpu, cuda. Use one of")
    assert ("CUDA_VISIBLE_DEVICES=1 before the command" in text) is several
    with pytest.raises(UserError) as refused:
        build_config([{"run": {"device": name}}])
    assert str(refused.value) == text.replace("--device", "run.device")
