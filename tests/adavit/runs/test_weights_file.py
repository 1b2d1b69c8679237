import math
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from adavit.metrics.extractors.extractor import tensors_digest
from adavit.runs.reading import TENSORS
from adavit.runs.weights_file import (
    METADATA,
    UnsoundWeights,
    check_finite,
    read_weights,
    write_weights,
)


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
    with safe_open(tmp_path / "a.safetensors", framework="pt") as opened:
        assert opened.metadata()[TENSORS] == tensors_digest(expected)


def test_the_same_weights_are_the_same_file_to_the_byte(tmp_path: Path) -> None:
    network, said = torch.nn.Linear(3, 5), {str(key): "é" * key for key in range(20)}
    for name in "ab":
        write_weights(tmp_path / name, network, said)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert load_file(tmp_path / "a").keys() == {"weight", "bias"}


def test_other_files_are_an_error_of_the_library(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    with pytest.raises(SafetensorError):
        read_weights(tmp_path / "a")
    with pytest.raises(OSError, match="nothing"):
        read_weights(tmp_path / "nothing")


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_weights(path, torch.nn.Linear(2, 1), {"kind": "a", "images": "12"})
    whole = path.read_bytes()
    unseen = []
    for place in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            read_weights(path)
        except (SafetensorError, UnsoundWeights):
            continue
        unseen.append(place)
    assert not unseen


def test_what_is_damaged_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_weights(path, torch.nn.Linear(20, 20), {"kind": "test"})
    whole = path.read_bytes()
    path.write_bytes(whole[:-400] + bytes(400))
    with pytest.raises(UnsoundWeights, match="damaged: its weights are not those"):
        read_weights(path)
    path.write_bytes(whole.replace(b'"test"', b'"tent"'))
    with pytest.raises(UnsoundWeights, match="damaged: what it says of the weights"):
        read_weights(path)
    for metadata in (None, {"kind": "test"}, {METADATA: "0" * 64}, {TENSORS: "0" * 64}):
        save_file({"weight": torch.zeros(3)}, path, metadata=metadata)
        with pytest.raises(UnsoundWeights, match="no digest"):
            read_weights(path)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path: Path, value: float) -> None:
    network = torch.nn.Linear(3, 2)
    network.weight.data[1, 2] = value
    write_weights(tmp_path / "a.safetensors", network, {})
    with pytest.raises(UnsoundWeights, match="1 of 6 weights of weight are not finite"):
        read_weights(tmp_path / "a.safetensors")


def test_whole_numbers_and_empty_tensors_are_finite() -> None:
    check_finite(
        {"steps": torch.tensor(3), "none": torch.zeros(0, 4), "half": torch.ones(2).half()}
    )
