import json
from pathlib import Path

from tests.cli.conftest import TINY, Adavit


def test_project_searches_a_photo_in_a_run_and_tells_mistakes(
    adavit: Adavit, pictures: Path
) -> None:
    trained = adavit("train", "--data", pictures, "--out", "run", "--cond", *TINY)
    assert trained.code == 0, trained.err

    photo = pictures / "dark" / "1.png"
    found = adavit(
        "project", "run", "--target", photo, "--steps", 3, "--tune", 1, "--class", "dark"
    )
    assert found.code == 0, found.err
    *_, figures, written = found.out.splitlines()
    assert figures.startswith("Distance ")
    assert figures.endswith("once tuned; by the discriminator and pixels.")
    assert written == (
        "Wrote projections.json, and a folder for each of 1 image, to run/projections."
    )
    names = {path.name for path in Path("run/projections/1").iterdir()}
    assert {"w.safetensors", "image.png", "compared.png", "way.gif"} < names
    assert json.loads(Path("run/projections/projections.json").read_text())["class"] == "dark"

    tuned = Path("run/projections/1/generator-tuned.safetensors")
    drawn = adavit("generate", tuned, "--seeds", "0", "--out", "drawn")
    assert drawn.code == 0, drawn.err

    Path("letter.txt").write_text("no photo")
    for mistake, words in {
        ("--target", "letter.txt"): "but must be an image",
        ("--target", "gone.jpg"): "--target 'gone.jpg'",
        ("--target", photo, "--space", "z"): "'w', 'w+'",
        ("--target", photo, "--features", "vgg"): "leave --features out",
        ("--target", photo, "--features-mean", "0.5,0.5,0.5"): "with --features, or leave",
        ("--target", photo, "--features-std", "0.2,grey"): "expected numbers with commas between",
        ("--target", photo, "--class", "cow"): "expected one of: dark, light",
        ("--target", photo, "--out", "letter.txt/below"): "cannot be made",
        ("--target", photo, "--steps", 0): "--steps",
    }.items():
        refused = adavit("project", "run", *mistake)
        assert refused.code == 2, mistake
        assert words in refused.err
        assert "Traceback" not in refused.err
