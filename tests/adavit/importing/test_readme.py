from pathlib import Path

from adavit.importing.networks import read_networks
from adavit.importing.readme import LICENCE, readme_of
from adavit.runs.imported_folder import ImportedFolder
from tests.network_pickles import write_networks


def test_it_says_where_the_networks_are_from_and_on_whose_terms(tmp_path: Path) -> None:
    clamped = {"synthesis.b8.conv1": {"conv_clamp": 256}}
    path = write_networks(tmp_path / "faces.pkl", resolution=8, generator=clamped)
    networks = read_networks(path, "FILE ")
    text = readme_of(networks, ImportedFolder(tmp_path / "faces"))
    assert text.startswith("# faces.pkl\n")
    assert networks.digest in text
    assert "Its images were `faces.zip`." in text
    assert "/home/someone" not in text
    assert LICENCE in text
    assert "non-commercial use only" in text
    assert text.count("cut features off at 256, which ours do not") == 1
    for name in ("generator", "generator-unaveraged", "discriminator"):
        assert f"| `{name}.safetensors` |" in text
    assert "adavit generate faces --seeds" in text
