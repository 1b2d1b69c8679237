from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from adavit.runs.weights_file import read_weights, write_weights


def test_weights_and_what_is_said_of_them_come_back(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.BatchNorm1d(5))
    # A view with strides of its own: the file holds what it shows, not what lies behind it.
    network[0].weight = torch.nn.Parameter(torch.randn(3, 5).T)
    write_weights(tmp_path / "a.safetensors", network, {"kind": "test"})
    tensors, metadata = read_weights(tmp_path / "a.safetensors")
    assert metadata == {"adavit": version("adavit"), "kind": "test"}
    expected = network.state_dict()
    assert tensors.keys() == expected.keys()  # buffers too
    for name, tensor in tensors.items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0)


def test_other_files_are_an_error_of_the_library(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    with pytest.raises(SafetensorError):
        read_weights(tmp_path / "a")
    with pytest.raises(OSError, match="nothing"):
        read_weights(tmp_path / "nothing")
