from pathlib import Path

from tests.cli.conftest import Adavit
from tests.stored_generators import store_generator


def test_card_writes_its_folder_and_says_so(adavit: Adavit) -> None:
    store_generator(Path("g.safetensors"))
    done = adavit("card", "g.safetensors", "--license", "mit")
    assert done.code == 0, done.err
    assert done.out == "Wrote README.md, samples.png and adavit.json in card.\n"
    assert Path("card/README.md").read_text().startswith("---\nlicense: mit\n")
    assert sorted(path.name for path in Path("card").iterdir()) == [
        "README.md",
        "adavit.json",
        "samples.png",
    ]


def test_a_card_of_nothing_is_refused(adavit: Adavit) -> None:
    done = adavit("card", "absent")
    assert done.code == 2
    assert "there is no 'absent'" in done.err
