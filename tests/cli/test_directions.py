from pathlib import Path

from PIL import Image

from tests.cli.conftest import Adavit
from tests.stored_generators import store_generator


def test_directions_are_found_and_taken(adavit: Adavit) -> None:
    store_generator(Path("g.safetensors"))
    flags = "--method pca --layers 0-3 --count 3 --seeds 1,4 --images 5 --reach 2 --scale 1"
    outcome = adavit("directions", "g.safetensors", *flags.split())
    assert outcome.code == 0, outcome.err
    assert "3 directions by pca, 0 to 2" in outcome.out
    assert Image.open("directions/strips.png").height == 17 + 2 + 6 * 18
    step = "directions/directions.safetensors:2=1.5"
    drawn = adavit("generate", "g.safetensors", *f"--seeds 4 --out a --direction {step}".split())
    assert drawn.code == 0, drawn.err
    film = adavit(
        *f"interpolate g.safetensors --seeds 4,5 --seconds 1 --fps 2 --scale 1 --out f --direction {step}".split()
    )
    assert film.code == 0, film.err
    adavit(*"generate g.safetensors --seeds 4 --out plain".split())
    assert Path("a/seed0004.png").read_bytes() != Path("plain/seed0004.png").read_bytes()
    beyond = adavit(*f"generate g.safetensors --seeds 4 --out b --direction {step[:-5]}3=1".split())
    assert beyond.code == 2
    assert "--direction asks for number 3" in beyond.err
    assert not Path("b").exists()


def test_generate_truncates_towards_several_centres(adavit: Adavit) -> None:
    store_generator(Path("g.safetensors"))
    drawn = "generate g.safetensors --seeds 0-7 --truncation 0 --noise fixed --out"
    for out, more in (("one", ""), ("three", "--truncation-centres 3")):
        outcome = adavit(*f"{drawn} {out} {more}".split())
        assert outcome.code == 0, outcome.err
    found = [{path.read_bytes() for path in Path(out).iterdir()} for out in ("one", "three")]
    assert len(found[0]) == 1
    assert 2 <= len(found[1]) <= 3
    assert list(Path("cache/features").glob("features-*.safetensors"))
    for more, words in (("1001", "1<=x<=1000"), ("3 --truncation 1", "but --truncation is 1")):
        outcome = adavit(*f"{drawn} x --truncation-centres {more}".split())
        assert outcome.code == 2
        assert words in outcome.err
