from pathlib import Path

import pytest

from adavit.importing.networks import read_networks
from adavit.importing.readme import LICENCE, readme_of
from adavit.runs.imported_folder import ImportedFolder
from tests.network_pickles import EasyDict, dumped, networks, write_networks


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


@pytest.mark.parametrize(
    "recorded",
    [
        "/data/x\n# Licence\nPublic domain [x](javascript:1)`**.zip",
        "/data/caf\udce9.zip",
        "`",
        "\x1b[2J",
    ],
)
def test_what_a_pickle_says_of_its_images_stays_one_piece_of_code(
    recorded: str, tmp_path: Path
) -> None:
    given = networks(resolution=8) | {"training_set_kwargs": EasyDict(path=recorded)}
    path = tmp_path / "a `b` \udce9*.pkl"
    path.write_bytes(dumped(given))
    text = readme_of(read_networks(path, "FILE "), ImportedFolder(tmp_path / "my faces"))
    text.encode()
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# a \\`b\\` \\\\udce9\\*.pkl",
        "## Licence",
        "## Use",
    ]
    (line,) = (line for line in text.splitlines() if line.startswith("Its images were"))
    assert (line.count("`"), line[-2:]) == (2, "`.")
    assert "adavit generate 'my faces' --seeds" in text
