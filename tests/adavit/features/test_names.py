import subprocess
import sys
from pathlib import Path

import pytest

from adavit.features.names import LIBRARY_NAMES, check_network_name, parted


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        ("squeezenet1_0", r"expected torchvision:NAME.* Did you mean torchvision:squeezenet1_0\?"),
        ("torchvision:squeezenet1", r"one of: squeezenet1_0.* Did you mean squeezenet1_[01]\?"),
        ("torchvision:resnet19", r"'resnet19' is unknown .* vit_b_16\. Did you mean resnet18\?$"),
        ("torchvision:something_else", r"vit_b_16\. Name one, or leave a\.key out\.$"),
        ("torchvision:", "expected torchvision:NAME or timm:NAME, and :FILE behind it"),
        ("timm:", "expected torchvision:NAME or timm:NAME, and [^?]*leave a.key out"),
        ("timm::weights.pth", "expected torchvision:NAME or timm:NAME, and :FILE"),
        ("keras:resnet18", r"expected torchvision:NAME .* Did you mean torchvision:resnet18\?"),
        ("keras:xyz", r"expected torchvision:NAME or timm:NAME, and [^?]*$"),
        ("Torchvision:ResNet18:x.pth", r"Did you mean torchvision:resnet18\?"),
        ("", r"is '', expected torchvision:NAME or timm:NAME, and [^?]*$"),
    ],
)
def test_what_is_no_network_is_answered_with_the_choices_and_the_nearest(
    requested: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as told:
        check_network_name("a.key", requested, otherwise="leave a.key out")
    assert str(told.value).startswith(f"a.key is {requested!r}, ")


def test_a_file_alone_is_answered_with_the_form_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "w.pth").touch()
    with pytest.raises(ValueError, match=f"name it as torchvision:NAME:{tmp_path / 'w.pth'}"):
        check_network_name("a.key", str(tmp_path / "w.pth"), otherwise="leave a.key out")


def test_what_only_a_library_can_tell_is_let_through() -> None:
    for requested in (
        "torchvision:resnet18",
        "torchvision:resnet18:a:b.pth",
        "timm:any",
        "timm:a:b",
    ):
        check_network_name("a.key", requested, otherwise="leave a.key out")
    with pytest.raises(ValueError, match=r"expected one of: vit_b_16\. Name one"):
        check_network_name("a.key", "torchvision:resnet18", otherwise="x", networks=["vit_b_16"])


def test_a_name_has_three_parts() -> None:
    assert parted("torchvision:resnet18:a:b.pth") == ("torchvision", "resnet18", "a:b.pth")
    assert parted("timm:x") == ("timm", "x", "")
    assert parted("x") == ("x", "", "")


def test_every_library_that_can_be_named_is_there() -> None:
    from adavit.features.choice import LIBRARIES

    assert tuple(LIBRARIES) == LIBRARY_NAMES


def test_a_wrong_name_or_size_is_told_without_torch() -> None:
    code = """
import sys
from adavit.config.layers import build_config
from adavit.errors import UserError
for values in (
    {"features": {"network": "timm:"}},
    {"training": {"distill_network": "timm:"}},
    {"features": {"network": "torchvision:resnet19:w.pth"}},
    {"features": {"network": "torchvision:vit_b_16", "side": 72}},
    {"features": {"network": "torchvision:resnet18", "side": 64, "maps": 4}},
):
    try:
        build_config([values])
    except UserError as error:
        print(error)
sys.exit("torch" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    said = ran.stdout.splitlines()
    expected = [
        "features.network is 'timm:', expected torchvision:NAME or timm:NAME",
        "training.distill_network is 'timm:', expected torchvision:NAME",
        "features.network is 'torchvision:resnet19:w.pth', but torchvision's 'resnet19' is unknown",
        "features.side is 72, but must be a multiple of the 16 px of vit_b_16's patches. Use 64",
        "features.maps is 4, but of images of 64 px resnet18 has 3 maps",
    ]
    assert len(said) == len(expected)
    assert all(line.startswith(start) for line, start in zip(said, expected, strict=True)), said
