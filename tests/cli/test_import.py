from pathlib import Path

from tests.cli.conftest import Adavit
from tests.network_pickles import write_networks


def test_networks_of_others_are_brought_in_drawn_with_and_scored(
    adavit: Adavit, pictures: Path
) -> None:
    write_networks(Path("faces.pkl"), resolution=8)
    outcome = adavit("import", "faces.pkl", "--out", "faces")
    assert outcome.code == 0, outcome.err
    assert "faces: faces.pkl, of which nothing was run" in outcome.out
    drawn = adavit("generate", "faces", "--seeds", "0-1", "--noise", "fixed", "--out", "drawn")
    assert drawn.code == 0, drawn.err
    assert drawn.out.endswith("Wrote 2 images to drawn: faces/generator.safetensors.\n")
    assert "untrained" not in drawn.out
    assert sorted(path.name for path in Path("drawn").glob("*.png")) == [
        "seed0000.png",
        "seed0001.png",
    ]
    asked = ("--fakes", 10, "--extractor", "random", "--metrics", "fid")
    scored = adavit("evaluate", "faces", "--data", pictures, *asked)
    assert scored.code == 0, scored.err
    assert "faces: 10 fakes of generator.safetensors, against" in scored.out  # of no kimg
    unnamed = adavit("evaluate", "faces", *asked)
    assert unnamed.code == 2
    assert "knows the images that it was trained on by the name 'faces.zip' alone" in unnamed.err


def test_bad_input_ends_with_one_line_and_code_2(adavit: Adavit) -> None:
    write_networks(Path("skip.pkl"), resolution=8, architecture="skip")
    Path("other.pkl").write_bytes(b"\x80\x04N.")
    Path("cut.pkl").write_bytes(Path("skip.pkl").read_bytes()[:9000])
    for arguments, told in (
        (["skip.pkl"], "its architecture is skip"),
        (["other.pkl"], "it holds None, and none of the networks"),
        (["cut.pkl"], "it is cut"),
        (["nothing.pkl"], "No such file"),
    ):
        outcome = adavit("import", *arguments, "--out", "out")
        assert outcome.code == 2
        assert told in outcome.err
        assert len(outcome.err.splitlines()) == 1
        assert not Path("out").exists()
        started = adavit("train", "--data", "small_set", "--transfer", arguments[0], "--out", "run")
        assert started.code == 2
        assert told in started.err
        assert not Path("run").exists()
    assert adavit("import", "skip.pkl", "--only", "generator", "--out", "out").code == 0
    again = adavit("import", "skip.pkl", "--only", "generator", "--out", "out")
    assert again.code == 2
    assert "is not empty" in again.err
