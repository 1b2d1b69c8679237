import hashlib
from pathlib import Path

import pytest

from adavit.doctor import weights
from adavit.doctor.weights import examine_weights
from adavit.metrics.extractors.weight_files import WeightFile, weights_folder

CONTENT = b"weights"
DIGEST = hashlib.sha256(CONTENT).hexdigest()[:8]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = WeightFile("Inception", f"https://example.invalid/i-{DIGEST}.pth", DIGEST, "--in FILE")
    monkeypatch.setattr(weights, "MEASURED", {"inception": file})
    weights_folder().mkdir(parents=True)
    return weights_folder()


def test_absent_weights_have_a_place_and_an_address(folder: Path) -> None:
    found, networks = examine_weights()
    assert (found.name, found.state) == ("Inception weights", "note")
    assert str(folder / f"i-{DIGEST}.pth") in found.found
    assert "for fid, kid, kid_subsets, is, fid_infinity." in found.found
    assert "a random network measures" in found.found
    assert f"fetch https://example.invalid/i-{DIGEST}.pth" in found.remedy
    assert "--in FILE" in found.remedy
    assert networks.found.startswith("For --features without a download: none, in ")
    assert list(folder.iterdir()) == []  # nothing is downloaded


def test_weights_that_are_there(folder: Path) -> None:
    (folder / f"i-{DIGEST}.pth").write_bytes(CONTENT)
    (folder / "squeezenet1_0-b66bff10.pth").touch()
    found, networks = examine_weights()
    assert (found.state, found.remedy, found.facts["there"]) == ("ok", "", True)
    assert networks.facts["networks"] == ["torchvision:squeezenet1_0"]


def test_a_damaged_file_prevents_training(folder: Path) -> None:
    (folder / f"i-{DIGEST}.pth").write_bytes(b"half of it")
    found, _ = examine_weights()
    assert found.state == "problem"
    assert "but its name promises" in found.found
    assert found.remedy == f"Remove {folder / f'i-{DIGEST}.pth'}."


def test_vgg16_is_for_those_who_ask_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    file = WeightFile("VGG16", f"https://example.invalid/v-{DIGEST}.pth", DIGEST, "")
    monkeypatch.setattr(weights, "MEASURED", {"vgg16": file})
    found, _ = examine_weights()
    assert "for precision, recall, density, coverage with --extractor vgg16." in found.found


ASKED_FOR = {
    "vgg16": "precision, recall, density, coverage with --extractor vgg16",
    "lpips-vgg16": "ppl",
}


@pytest.mark.parametrize("extractor", ASKED_FOR)
def test_a_damaged_file_of_another_network_prevents_no_training(
    folder: Path, monkeypatch: pytest.MonkeyPatch, extractor: str
) -> None:
    file = WeightFile("VGG16", f"https://example.invalid/v-{DIGEST}.pth", DIGEST, "")
    monkeypatch.setattr(weights, "MEASURED", {extractor: file})
    (folder / f"v-{DIGEST}.pth").write_bytes(b"half of it")
    found, _ = examine_weights()
    assert found.state == "note"
    assert "but its name promises" in found.found
    assert f"It is for {ASKED_FOR[extractor]}." in found.found
    assert found.remedy == f"Remove {folder / f'v-{DIGEST}.pth'}."
