from typing import Any

import pytest
import torch

from adavit.importing import torch_modules
from adavit.importing.machine import Machine
from adavit.importing.records import UnreadablePickle
from adavit.importing.torch_modules import torch_network
from tests.network_pickles import EasyDict, dumped, filter_taps, module_of


def network(state: dict[str, torch.Tensor], **attributes: Any) -> Any:
    content = dumped(module_of(state, attributes=attributes.get("attributes")), 4)
    return torch_network(Machine(memoryview(content)).run())


STATE = {
    "mapping.fc0.weight": torch.randn(3, 3),
    "mapping.w_avg": torch.randn(3),
    "b4.conv.resample_filter": filter_taps(),
    "top": torch.randn(2),
}


def test_tensors_are_found_by_their_paths_without_the_filters() -> None:
    found = network(STATE)
    assert found.values.keys() == STATE.keys() - {"b4.conv.resample_filter"}
    for name, read in found.values.items():
        assert torch.equal(read(), STATE[name])
    assert found.filters == ((0.125, 0.375, 0.375, 0.125),)


def test_what_modules_say_of_themselves_is_kept() -> None:
    found = network(
        STATE,
        attributes={
            "": {
                "_init_kwargs": EasyDict(
                    mapping_kwargs=EasyDict(num_layers=2, lr_multiplier=0.5),
                    block_kwargs={"activation": "relu", "resample_filter": [1, 2, 1]},
                )
            },
            "mapping.fc0": {"bias_gain": 0.02, "activation": "lrelu"},
            "b4.mbstd": {"group_size": 32},
            "b4.conv": {"conv_clamp": 256, "use_fp16": True},
        },
    )
    assert found.settings["lr_multiplier"] == 0.02
    assert found.settings["mbstd_group_size"] == 32
    assert found.clamp == 256
    assert found.settings["num_fp16_res"] == 1
    assert found.activations == {"mapping.fc0": "lrelu", "settings": "relu"}
    assert (1.0, 2.0, 1.0) in found.filters
    assert network(STATE, attributes={"": {}}).settings == {}


def test_another_filter_is_told_by_its_taps_or_as_it_is() -> None:
    taps = torch.tensor([1.0, 2.0, 1.0])
    separable = {"resample_filter": taps[:, None] * taps / 16}
    assert network(separable).filters == ((0.25, 0.5, 0.25),)
    other = {"resample_filter": torch.tensor([[1.0, 0.0], [0.0, 1.0]])}
    assert network(other).filters == ((1.0, 0.0, 0.0, 1.0),)
    assert network({"resample_filter": torch.ones(12)}).filters == ((1.0,) * 12,)


def test_anything_else_is_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch_network({"G": 1}) is None
    assert torch_network(None) is None
    with monkeypatch.context() as patch:
        patch.setattr(torch_modules, "MOST_MODULES", 2)
        with pytest.raises(UnreadablePickle, match="more than 2 modules"):
            network(STATE)
    monkeypatch.setattr(torch_modules, "MOST_TENSORS", 3)
    with pytest.raises(UnreadablePickle, match="more than 3 tensors"):
        network(STATE)


def test_modules_within_themselves_come_to_an_end() -> None:
    content = dumped(module_of(STATE), 4)
    value = Machine(memoryview(content)).run()
    state = value.arguments[0]["state"]
    state["_modules"].entries["again"] = value
    with pytest.raises(UnreadablePickle, match="name of 201 characters"):
        torch_network(value)
    settings: dict = {}
    for _ in range(40):  # 2^40 ways to the innermost
        settings = {"a": settings, "b": settings, "c": 1}
    state["_modules"], state["_init_kwargs"] = {}, settings
    assert torch_network(value).settings == {"c": 1}  # type: ignore[union-attr]
