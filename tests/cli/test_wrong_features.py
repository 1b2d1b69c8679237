"""What a newcomer gets wrong about `--features`: one message, code 2, before images are read."""

from pathlib import Path

import pytest
import torch
from torchvision.models import mobilenet_v3_small

from tests.cli.conftest import TINY, Adavit

OWN = "torchvision:mobilenet_v3_small:own.pth"


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = mobilenet_v3_small(weights=None)
    state = network.state_dict()
    torch.save(state, "own.pth")
    torch.save(network, "pickled.pth")
    torch.save({"state_dict": state}, "nested.pth")
    torch.save({**state, "features.0.0.weight": torch.full((16, 3, 3, 3), torch.nan)}, "nan.pth")
    Path("text.pth").write_text("hello")
    Path("empty.pth").touch()

    def read(*_: object, **__: object) -> None:
        raise AssertionError("images were read")

    monkeypatch.setattr("adavit.training.start.workload.load_images", read)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("network", "settings", "message"),
    [
        ("torchvision:mobilenet_v3_small:nothing.pth", "", "nothing.pth names no file"),
        ("torchvision:mobilenet_v3_small:.", "", "names no file"),
        ("torchvision:resnet18:own.pth", "", "must be the weights of torchvision's resnet18"),
        ("torchvision:mobilenet_v3_small:pickled.pth", "", "holds pickled objects, which are nev"),
        ("torchvision:mobilenet_v3_small:nested.pth", "", "does not hold tensors by name"),
        ("torchvision:mobilenet_v3_small:nan.pth", "", "features.0.0.weight that are not finite"),
        ("torchvision:mobilenet_v3_small:text.pth", "", "is empty or of another format"),
        ("torchvision:mobilenet_v3_small:empty.pth", "", "is empty or of another format"),
        ("own.pth", "", "name it as torchvision:NAME:own.pth"),
        ("mobilenet_v3_small", "", "Did you mean torchvision:mobilenet_v3_small?"),
        ("torchvision:mobilenet", "", "expected one of: squeezenet1_0"),
        ("", "", "features.network is '', expected torchvision:NAME"),
        (OWN, "side=15", "features.side is 15, expected greater than or equal to 16"),
        (OWN, "side=20", "features.maps is 2, but of images of 20 px"),
        (OWN, "maps=4", "of images of 64 px mobilenet_v3_small has 3 maps"),
        (OWN, "maps=9", "features.maps is 9, expected less than or equal to 8"),
        (OWN, "std=[0.2,0,0.2]", "features.std is 0.2, 0, 0.2, but each must be above 0"),
        (OWN, "std=[0.2,0.2]", "features.std is [0.2, 0.2], expected a list of 3"),
        (OWN, "p=2", "features.p is 2, expected less than or equal to 1"),
        (OWN, "mixng=scales", "Did you mean features.mixing?"),
        (OWN, "mixing=scale", "expected 'none', 'channels' or 'scales'"),
        ("torchvision:vit_b_16:own.pth", "side=65", "must be a multiple of the 16 px"),
    ],
)
def test_each_is_one_message_before_images_are_read(
    adavit: Adavit, pictures: Path, network: str, settings: str, message: str
) -> None:
    more = ["--set", f"features.{settings}"] if settings else []
    flags = ["--data", pictures, "--resolution", 16, "--features", network, *more, *TINY]
    outcome = adavit("train", *flags, "--out", "run")
    assert outcome.code == 2, outcome.err
    assert message in outcome.err
    assert outcome.err.count("Error: ") == 1
    assert len(outcome.err.splitlines()) == 1
    assert outcome.out == ""
    assert not Path("run").exists()
