from dataclasses import replace
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
    assert "adavit train --data my_photos --transfer faces\n" in text
    shown = "Its training saw 25,000,000 real images, repeats counted.\n"
    assert shown in readme_of(replace(networks, images=25_000_000), ImportedFolder(tmp_path))


def test_of_a_discriminator_alone_it_does_not_say_how_to_draw(tmp_path: Path) -> None:
    networks = read_networks(write_networks(tmp_path / "faces.pkl", resolution=8), "FILE ")
    alone = replace(networks, average=None, generator=None)
    text = readme_of(alone, ImportedFolder(tmp_path / "faces"))
    assert "adavit generate" not in text
    assert "adavit train --data my_photos --transfer faces\n" in text


def test_of_the_folder_that_one_is_in_it_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = read_networks(write_networks(tmp_path / "a.pkl", resolution=8), "FILE ")
    (tmp_path / "faces").mkdir()
    monkeypatch.chdir(tmp_path / "faces")
    text = readme_of(networks, ImportedFolder(Path()))
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
