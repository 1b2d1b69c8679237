import pytest
import torch
from torchvision.models import vit_b_16

from adavit.models.published_vit import (
    PARTS,
    PUBLISHED_VIT,
    SIZES,
    check_name,
    is_of_library,
    misfits,
)


def test_the_sizes_are_those_of_torchvision() -> None:
    with torch.device("meta"):
        theirs = vit_b_16()
    first = theirs.encoder.layers[0]
    assert theirs.hidden_dim == SIZES["width"]
    assert len(theirs.encoder.layers) == SIZES["depth"]
    assert first.num_heads == SIZES["heads"]
    assert theirs.mlp_dim == SIZES["mlp_ratio"] * SIZES["width"]


@pytest.mark.parametrize(
    ("named", "of_library"),
    [("torchvision:vit_b_16", True), ("torchvision:resnet18", True), ("trunk.safetensors", False)],
)
def test_a_name_is_told_from_a_file(named: str, of_library: bool) -> None:
    assert is_of_library(named) is of_library


def test_only_the_network_that_is_known_is_taken() -> None:
    check_name("a.key", PUBLISHED_VIT)
    check_name("a.key", f"{PUBLISHED_VIT}:some file.pth")
    for other in ("torchvision:vit_b_16x", "torchvision:", "timm:vit", "weights.pth"):
        with pytest.raises(ValueError, match=r"^a\.key is '.*', expected torchvision:vit_b_16, "):
            check_name("a.key", other)


def test_what_keeps_the_weights_out_is_named_with_its_remedy() -> None:
    assert misfits(PARTS | SIZES | {"readout": "cls", "patch": 3}) == {}
    assert misfits(dict.fromkeys(PARTS | SIZES)) == {}  # all left open
    assert misfits({"depth": 5}) == {}
    wrong = {"depth": 13, "mlp_ratio": 2.0, "attention": "qknorm", "weight_constraint": "sn"}
    assert misfits(wrong) == {
        "depth": "12",
        "mlp_ratio": "4",
        "attention": "dot",
        "weight_constraint": "none",
    }
