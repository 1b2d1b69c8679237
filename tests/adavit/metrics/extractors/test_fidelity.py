from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch_fidelity.utils import create_feature_extractor

from adavit.errors import UserError
from adavit.metrics.extractors.choice import choose_extractor
from adavit.metrics.extractors.fidelity import build_network, expected_vgg16_state, saved
from tests.references.metrics_images import drawn_images

pytestmark = pytest.mark.usefixtures("empty_torch_home")


def test_networks_that_run_what_they_download_load_only_by_name_and_with_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Network(torch.nn.Module):
        resolution = 288

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor]:
            return (images.float().mean(dim=(2, 3)),)

    asked = []

    def create(name: str, layers: list[str], **_: object) -> torch.nn.Module:
        print("noise on standard output")
        asked.append((name, *layers))
        return Network()

    monkeypatch.setattr("adavit.metrics.extractors.fidelity.create_feature_extractor", create)
    choose_extractor("auto", allow_download=False)
    assert asked == []
    for name, layer, kind in (
        ("clip-rn50x4", "clip", "TorchScript"),
        ("dinov2-vit-s-14", "dinov2", "Python code from torch.hub"),
    ):
        extractor, note = choose_extractor(name)
        assert asked[-1] == (name, layer)
        assert note is not None
        assert note.startswith("Warning")
        assert kind in note
        assert (extractor.name, extractor.features) == (name, 3)
        assert "288 px" in extractor.resize


@pytest.mark.parametrize(
    "error",
    [URLError("Name or service not known"), RuntimeError("no internet connection\nand more")],
)
def test_a_network_that_cannot_be_downloaded_is_one_clear_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("adavit.metrics.extractors.fidelity.create_feature_extractor", create)
    with pytest.raises(UserError, match=r"^extractor clip-rn50 could not be loaded.*hub") as caught:
        choose_extractor("clip-rn50")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_vgg16_equals_torch_fidelity(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    state = {
        name: (
            torch.randn(tensor.shape, generator=generator)
            * (2 / tensor[0].numel() if tensor.ndim > 1 else 0.01) ** 0.5
        )
        for name, tensor in expected_vgg16_state().items()
    }
    torch.save(state, tmp_path / "vgg16.pth")
    extractor, note = choose_extractor(f"vgg16:{tmp_path / 'vgg16.pth'}")
    assert note is not None
    assert "not comparable" in note
    theirs = create_feature_extractor(
        "vgg16",
        ["fc2_relu"],
        cuda=False,
        verbose=False,
        feature_extractor_weights_path=str(tmp_path / "vgg16.pth"),
    )
    images = torch.from_numpy(drawn_images(2, seed=0))
    torch.testing.assert_close(extractor(images), theirs(images)[0], rtol=1e-4, atol=1e-5)
    assert (extractor.name, extractor.features) == ("vgg16", 4096)
    with pytest.raises(UserError, match=r"vgg16:.*does not use them\. Leave one"):
        choose_extractor(f"vgg16:{tmp_path / 'vgg16.pth'}", weights=tmp_path / "vgg16.pth")


def test_saved_tensors_are_read_back_bit_for_bit_without_unpickling() -> None:
    state = {"a": torch.arange(3.0), "b": torch.tensor(2)}
    found = torch.load(saved(state), weights_only=True)
    assert list(found) == ["a", "b"]
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_building_a_network_leaves_the_global_random_numbers_alone(
    inception_state: dict[str, torch.Tensor],
) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    build_network("inception-v3-compat", "64", inception_state)
    expected_vgg16_state()
    assert torch.equal(torch.get_rng_state(), before)


def test_vgg16_is_expected_with_its_thirteen_convolutions_and_three_dense_layers() -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in expected_vgg16_state().items()}
    weights = [shape for name, shape in shapes.items() if name.endswith(".weight")]
    assert [len(shape) for shape in weights] == [4] * 13 + [2] * 3
    assert shapes["features.0.weight"] == (64, 3, 3, 3)
    assert shapes["classifier.3.weight"] == (4096, 4096)  # what the features are
