from pathlib import Path

from PIL import Image

from tests.cli.conftest import Adavit
from tests.stored_generators import store_generator


def test_a_sheet_is_drawn(adavit: Adavit) -> None:
    store_generator(Path("g.safetensors"), num_classes=3)
    flags = "--rows 1-3 --columns 10,12 --layers 0-1,4 --class cow --scale 1"
    outcome = adavit("mix", "g.safetensors", *flags.split())
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("Wrote mix.png, 3 rows and 2 columns, ")
    width, height = Image.open("mix.png").size
    assert (width > 3 * 18, height) == (True, 17 + 2 + 4 * 18)


def test_mistakes_name_their_flags(adavit: Adavit) -> None:
    store_generator(Path("g.safetensors"))
    for rows, columns, layers, words in (
        ("x", "1", "0", "--rows has 'x'"),
        ("1", "2-1", "0", "--columns has the range '2-1'"),
        ("1", "2", "-1", "--layers has '-1'"),
        ("1", "2", "0-6", "--layers has 6, but this generator of 16 px has layers 0-5"),
    ):
        flags = ("--rows", rows, "--columns", columns, "--layers", layers)
        outcome = adavit("mix", "g.safetensors", *flags)
        assert outcome.code == 2
        assert words in outcome.err
    assert not Path("mix.png").exists()
