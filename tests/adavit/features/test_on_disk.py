from pathlib import Path
from types import SimpleNamespace

import pytest

from adavit.features import on_disk
from adavit.features.on_disk import networks_here, offer

PHOTOS = "/home/me/photos.zip"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub/checkpoints"


def test_without_weights_nothing_is_offered(folder: Path) -> None:
    assert offer(3, PHOTOS) is None
    folder.mkdir(parents=True)
    (folder / "resnet18-00000000.pth").touch()  # not the one that would be taken
    (folder / "weights-inception-2015-12-05-6726825d.pth").touch()
    assert offer(3, PHOTOS) is None


def test_weights_that_would_be_taken_are_offered_in_one_line(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "resnet18-f37072fd.pth").touch()
    assert offer(3, PHOTOS) == (
        "Weights of torchvision resnet18 are here: --features torchvision:resnet18 adds a critic that"
        " sees through them. Photographs ended at about half the distance or less with one"
        " (benchmarks/results/feature_critic.md); figures in related features then flatter the run."
    )


def test_with_alpha_nothing_is_offered(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "resnet18-f37072fd.pth").touch()
    assert [offer(channels, PHOTOS) is None for channels in (1, 3, 4)] == [False, False, True]


def test_for_drawings_nothing_is_offered(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "resnet18-f37072fd.pth").touch()
    drawn = ("small_set", "small_set:50", "small_set@3:50")
    assert [offer(3, source) for source in drawn] == [None] * 3
    for source in ("cifar10:test", "/home/me/small_set", "/home/me/small_set.zip"):
        assert offer(3, source) is not None


@pytest.mark.parametrize("installed", [True, False])
def test_those_of_timm_count_where_it_is_installed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    spec = SimpleNamespace() if installed else None
    monkeypatch.setattr(on_disk, "find_spec", lambda name: spec if name == "timm" else None)
    folder.mkdir(parents=True)
    (folder / "timm-vit_small_patch14_dinov2.lvd142m.safetensors").touch()
    # As a download that was killed has left them.
    (folder / "timm-resnet18.a1_in1k.safetensors4711-0a1b2c3d.partial").touch()
    (folder / ".timm-resnet18.a1_in1k.safetensors.4711-0a1b2c3d.partial").touch()
    expected = ["timm:vit_small_patch14_dinov2.lvd142m"]
    assert networks_here() == (expected if installed else [])
