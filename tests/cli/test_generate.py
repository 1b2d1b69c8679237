import json
from pathlib import Path

import pytest
from PIL import Image

import adavit as package
from adavit.generation.sampling import generated_batches, image_from_tensor
from adavit.runs.generator_file import read_generator, save_tuned
from tests.adavit.evaluation.runs import make_run
from tests.cli.conftest import TINY, Adavit


def test_train_evaluate_and_generate_work_together(adavit: Adavit, pictures: Path) -> None:
    trained = adavit("train", "--data", pictures, "--out", "run", "--cond", *TINY)
    assert trained.code == 0, trained.err
    assert "Classes: 2" in trained.out
    assert "0.032 kimg in 4 steps" in trained.out
    assert "\nall settings  run/config.yaml; " in trained.out
    assert len(trained.out.splitlines()) < 40

    scored = adavit(*"evaluate run --json --extractor random --which last".split())
    assert scored.code == 0, scored.err
    record = json.loads(scored.out)
    in_training = json.loads(Path("run/metrics.jsonl").read_text().splitlines()[-1])
    assert record["fd_random"] == in_training["fd_random"]
    protocol = record["protocol"]
    assert protocol.pop("settings").items() >= in_training["protocol"].pop("settings").items()
    assert protocol == {**in_training["protocol"], "name": None}

    drawn = adavit(
        "generate", "run", "--seeds", "0-3,7", "--class", "dark", "--grid", "--out", "drawn"
    )
    assert drawn.code == 0, drawn.err
    names = sorted(path.name for path in Path("drawn").iterdir())
    assert names == ["grid.png", *(f"seed{seed:04d}.png" for seed in (0, 1, 2, 3, 7))]
    assert Image.open("drawn/seed0000.png").size == (16, 16)

    # A seed gives the same image whichever others are asked for, from the run and from its file.
    adavit(
        "generate", "run/generator-best.safetensors", "--seeds", "7", "--class", "0", "--out", "one"
    )
    assert Path("one/seed0007.png").read_bytes() == Path("drawn/seed0007.png").read_bytes()

    again = adavit("train", "--resume", "run")
    assert again.code == 0
    assert "is finished" in again.out

    folder = adavit(
        "evaluate", "drawn", "--data", pictures, *"--json --extractor random --metrics kid".split()
    )
    assert folder.code == 0, folder.err
    assert "fd_random" not in json.loads(folder.out)


def test_truncation_and_class_change_the_images(adavit: Adavit, pictures: Path) -> None:
    adavit("train", "--data", pictures, "--out", "run", "--cond", *TINY, "--metrics", "")
    for name, flags in {
        "plain": ["--class", "dark"],
        "other": ["--class", "light"],
        "truncated": ["--class", "dark", "--truncation", "0"],
    }.items():
        outcome = adavit("generate", "run", "--seeds", "0,1", "--out", name, *flags)
        assert outcome.code == 0, outcome.err
    picture = {path: path.read_bytes() for path in Path().glob("*/seed*.png")}
    assert picture[Path("plain/seed0000.png")] != picture[Path("other/seed0000.png")]
    assert picture[Path("plain/seed0000.png")] != picture[Path("plain/seed0001.png")]
    assert picture[Path("truncated/seed0000.png")] != picture[Path("plain/seed0000.png")]


def test_a_run_and_the_folders_it_draws_by_default_score_alike(
    adavit: Adavit, pictures: Path
) -> None:
    """Of a generator with much noise: one fixed noise for all images scores three times as far."""
    file = make_run(Path("run"), pictures) / "generator-best.safetensors"
    stored = read_generator(file)
    for name, parameter in stored.generator.named_parameters():
        if name.endswith("noise.strength"):
            parameter.fill_(1.0)
    save_tuned(file, stored.generator, stored=stored, tuned_from="", tuned_to="")
    Path(
        "real"
    ).mkdir()  # what the generator draws, so that it lacks nothing but what the folder lacks
    for batch in generated_batches(stored.generator, 128, seed=77):
        for image in batch:
            image_from_tensor(image).save(f"real/{len(list(Path('real').iterdir()))}.png")

    def score(source: str) -> float:
        arguments = "--data real --fakes 128 --metrics fid --extractor random --json".split()
        outcome = adavit("evaluate", source, *arguments)
        assert outcome.code == 0, outcome.err
        return float(json.loads(outcome.out)["fd_random"])

    drawn = adavit("generate", "run", "--seeds", "0-127", "--out", "by-command")
    assert drawn.code == 0, drawn.err
    package.generate("run", range(128), "by-call")
    fixed = adavit("generate", "run", "--seeds", "0-127", "--noise", "fixed", "--out", "fixed")
    assert fixed.code == 0, fixed.err
    of_run = score("run")
    for folder in ("by-command", "by-call"):
        # Other seeds than the evaluation's, which move the figure by a tenth.
        assert score(folder) == pytest.approx(of_run, rel=0.25)
    assert score("fixed") > 2 * of_run
