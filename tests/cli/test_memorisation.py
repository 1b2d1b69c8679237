import json
from pathlib import Path

from tests.cli.conftest import TINY, Adavit


def test_memorisation_looks_at_a_run_and_at_a_folder(adavit: Adavit, pictures: Path) -> None:
    trained = adavit(
        "train", "--data", pictures, "--out", "run", "--cond", "--val-fraction", "0.25", *TINY
    )
    assert trained.code == 0, trained.err

    seen = adavit("memorisation", "run")
    assert seen.code == 0, seen.err
    assert "20 generated images against 19 training images of pictures." in seen.out
    said = "Wrote memorisation.json and closest_pairs.png in run/diagnostics."
    assert seen.out.splitlines()[-1] == said
    record = json.loads(Path("run/diagnostics/memorisation.json").read_text())
    assert record["protocol"]["labels"] == "training images"
    assert Path("run/diagnostics/closest_pairs.png").is_file()
    assert sorted(path.name for path in Path("run/diagnostics").iterdir()) == [
        "closest_pairs.png",
        "memorisation.json",
    ]

    single = adavit("memorisation", "run", "--fakes", "1", "--out", "single")
    assert single.code == 0, single.err
    assert "1 generated images against 19 training images of pictures." in single.out

    drawn = adavit("generate", "run", "--seeds", "0-5", "--class", "dark", "--out", "drawn")
    assert drawn.code == 0, drawn.err
    folder = adavit(
        "memorisation", "drawn", "--data", pictures, "--extractor", "random", "--out", "m"
    )
    assert folder.code == 0, folder.err
    assert "6 generated images against 24 training images" in folder.out
    pair = json.loads(Path("m/memorisation.json").read_text())["spaces"]["pixels"]["closest_pairs"][
        0
    ]
    assert pair["generated"].startswith("seed000")
    assert pair["training"].startswith(("dark/", "light/"))
