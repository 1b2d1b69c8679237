import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open

import adavit
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.errors import UserError
from adavit.evaluation.evaluate import evaluate
from adavit.report.report import write_report
from adavit.runs.generator_file import read_generator
from adavit.runs.shared_names import (
    PATH_SETTINGS,
    is_absolute,
    names_shared,
    shared_config,
    without_folders,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/ann/my photos", "my photos"),
        ("/home/ann/", "ann"),
        (r"C:\Users\ann\photos.zip", "photos.zip"),
        ("C:/Users/ann/photos.zip", "photos.zip"),
        ("small_set", "small_set"),
        ("a/b, 1/2 and/or r_t", "a/b, 1/2 and/or r_t"),
        ("data.source '/home/ann/my photos' is gone", "data.source 'my photos' is gone"),
        ('"C:\\Users\\ann\\a b"', '"a b"'),
        ("No such file: /home/ann/x.png (/home/ann/y)", "No such file: x.png (y)"),
        ("torchvision:resnet50:/home/ann/w.pth", "torchvision:resnet50:w.pth"),
        (r"torchvision:resnet50:C:\Users\ann\my files\w.pth", "torchvision:resnet50:w.pth"),
        ("torchvision:resnet50:c:/Users/ann/w.pth", "torchvision:resnet50:w.pth"),
        (r"timm:vit_small:\\server\ann\w.safetensors", "timm:vit_small:w.safetensors"),
        (r"vgg16:D:\ann\w.pth", "vgg16:w.pth"),
        (r"\\server\ann\photos", "photos"),
        (r"'\\server\ann\my photos' is gone", "'my photos' is gone"),
        (r"No such file: \\server\ann\x.png (C:\ann\y)", "No such file: x.png (y)"),
        ("torchvision:resnet50", "torchvision:resnet50"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("15 images/s, 3 /4", "15 images/s, 3 /4"),
        ("/", "/"),
    ],
)
def test_paths_become_names_and_all_else_stays(text: str, expected: str) -> None:
    assert without_folders(text) == expected


def test_texts_are_found_in_whatever_holds_them() -> None:
    value = {"a": ["/x/y", 3, None, ("/x/z",)], "b": {"c": 2.5}}
    assert without_folders(value) == {"a": ["y", 3, None, ("z",)], "b": {"c": 2.5}}


@pytest.mark.parametrize("text", ["", "a/b", "./a", "~/a", "C:", "/a\n/b"])
def test_what_is_no_absolute_path(text: str) -> None:
    assert not is_absolute(text)


def test_all_settings_that_are_paths_are_known() -> None:
    schema = ResolvedConfig.model_json_schema()
    typed = {
        (section, key)
        for section, place in schema["properties"].items()
        for kind in (place.get("oneOf") or [place])
        for key, field in schema["$defs"][kind["$ref"].rpartition("/")[2]]["properties"].items()
        if any(value.get("format") == "path" for value in field.get("anyOf", [field]))
    }
    known = {(section, key) for section, keys in PATH_SETTINGS.items() for key in keys}
    assert known - typed == {
        ("data", "source"),
        ("features", "network"),
        ("metrics", "reference"),
        ("metrics", "extractor"),
        ("training", "init_discriminator"),
        ("training", "distill_network"),
    }
    assert typed <= known


def test_a_shared_configuration_names_what_it_had_the_paths_of() -> None:
    config = {
        "data": {"source": "/home/ann/photos", "data_root": "/home/ann/sets", "resolution": 16},
        "metrics": {"reference": "cifar10:test", "extractor": "vgg16:/home/ann/v.pth"},
        "features": {"network": r"torchvision:resnet50:C:\Users\ann\w.pth"},
        "training": {"transfer": "/home/ann/runs/0", "batch": 8},
        "run": {"out": None},
    }
    before = json.dumps(config)
    assert shared_config(config) == {
        "data": {"source": "./photos", "data_root": None, "resolution": 16},
        "metrics": {"reference": "cifar10:test", "extractor": "vgg16:v.pth"},
        "features": {"network": "torchvision:resnet50:w.pth"},
        "training": {"transfer": "./0", "batch": 8},
        "run": {"out": None},
    }
    assert json.dumps(config) == before


def test_names_that_stand_for_paths_are_told_from_those_that_are_known() -> None:
    config = {
        "data": {"source": "/home/ann/photos", "data_root": "/home/ann/sets"},
        "metrics": {"reference": "cifar10:test", "extractor": "vgg16:/home/ann/v.pth"},
        "features": {
            "network": r"torchvision:resnet50:C:\Users\ann\w.pth",
            "seen": ["adavit:cats 01", "torchvision:resnet50 23", "adavit:photos 45"],
        },
        "training": {"transfer": "hub:me/x", "distill_network": "timm:vit_small"},
        "run": {"out": "runs/mine"},
    }
    expected = ("photos", "v.pth", "w.pth", "runs/mine", "cats")
    assert names_shared(shared_config(config)) == expected
    for nothing in ({}, {"data": None, "features": {"seen": 3}, "run": {"out": None}}):
        assert names_shared(nothing) == ()


def test_what_a_run_hands_on_holds_no_path_and_serves_here_and_elsewhere(
    tiny: Callable[..., RunConfig], tmp_path: Path
) -> None:
    run = adavit.train(tiny({"training": {"total_kimg": 0.016}}))
    write_report([run], tmp_path / "report.html")
    for file in (
        run / "generator-best.safetensors",
        run / "generator-last.safetensors",
        *tmp_path.glob("report.*"),
    ):
        assert str(tmp_path).encode() not in file.read_bytes(), file
    with safe_open(run / "generator-last.safetensors", framework="pt") as stored:
        assert json.loads(stored.metadata()["config"])["data"]["source"] == "./pictures"

    # In its run it knows where its images are; away from it they are looked for here, or asked for.
    source = str(tmp_path / "pictures")
    assert read_generator(run).config["data"]["source"] == source
    lone = tmp_path / "lone.safetensors"
    shutil.copy(run / "generator-last.safetensors", lone)
    arguments = {"extractor": "random", "metrics": ("fid",), "device": "cpu"}
    own = evaluate(str(run), which="last", **arguments)
    assert evaluate(str(lone), **arguments)["fd_random"] == own["fd_random"]
    (tmp_path / "pictures").rename(tmp_path / "moved")
    with pytest.raises(
        UserError, match=r"that it was trained on by the name 'pictures' alone.*--data"
    ):
        evaluate(str(lone), **arguments)
    found = evaluate(str(lone), data=str(tmp_path / "moved"), **arguments)
    assert found["fd_random"] == own["fd_random"]
