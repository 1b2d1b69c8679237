import pytest
import torch

from adavit.errors import UserError
from adavit.experiments import device_groups as module
from adavit.experiments.device_groups import check_devices_exist, device_groups, made_visible

FOUR = [f"cuda:{number}" for number in range(4)]


def test_a_cell_takes_as_many_neighbours_as_it_has_processes() -> None:
    assert device_groups(FOUR, 1) == [(device,) for device in FOUR]
    assert device_groups(FOUR, 2) == [("cuda:0", "cuda:1"), ("cuda:2", "cuda:3")]
    assert device_groups(["cpu"], 4) == [("cpu",)]  # its cores are shared
    assert device_groups(["cuda"], 4) == [("cuda",)]  # the first four
    assert device_groups([], 2) == []


@pytest.mark.parametrize(
    ("devices", "processes", "message"),
    [
        (["cpu", "cuda"], 1, "cpu and cuda, expected one kind"),
        (["cuda:x"], 1, "names 'cuda:x'"),
        (["cuda:²"], 1, "names 'cuda:²'"),
        (["tpu"], 1, "tpu"),
        (
            FOUR[:3],
            2,
            r"names 3 devices, but each cell takes 2 of them \(--processes\), expected a",
        ),
        (["cuda", "cuda:1"], 2, "names both cuda and cuda:1, but each cell takes 2 .*Give all of"),
        (["cuda:1", "cuda:01"], 2, "gives a cell cuda:1, cuda:01, but --processes 2 needs as many"),
    ],
)
def test_devices_that_do_not_go_together_are_refused(
    devices: list[str], processes: int, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        device_groups(devices, processes)


def test_a_number_that_no_device_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "choose_device", lambda *_, **__: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    check_devices_exist(["cuda:0"])
    message = r"names cuda:7, but torch finds 1 CUDA device here, expected numbers below 1\. Corr"
    with pytest.raises(UserError, match=message):
        check_devices_exist(["cuda:0", "cuda:7"])


def test_only_its_devices_are_shown_to_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert made_visible(["cuda"]) == {}
    assert made_visible(["cuda:2", "cuda:3"]) == {"CUDA_VISIBLE_DEVICES": "2,3"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-a,7")
    assert made_visible(["cuda:1", "cuda:0"]) == {"CUDA_VISIBLE_DEVICES": "GPU-a,5"}
