import pwd
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import adavit
from adavit.config.layers import build_config, read_config_file
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.data import load_images
from adavit.diagnostics.diagnosed_images import open_diagnosis
from adavit.diagnostics.discriminator.inspected_images import open_inspection
from adavit.errors import UserError
from adavit.evaluation.compare import compare
from adavit.evaluation.evaluate import evaluate
from adavit.experiments.ablation import ablate
from adavit.experiments.sweep import sweep
from adavit.generation.generate import generate
from adavit.metrics.extractors.choice import choose_extractor
from adavit.report.listing import list_runs
from adavit.report.report import write_report
from adavit.runs.records import check_writable
from adavit.runtime.cache_folder import default_cache_dir
from adavit.runtime.paths import (
    check_png,
    distinct_names,
    each_path,
    expand_home,
    home_folder,
    near_paths,
    quoted,
    takes_paths,
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)

    def nobody(_: object) -> Any:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)


@pytest.mark.parametrize("name", ["~nobody-of-this-name/x", "a~", "./~", "a/~/b", "", "small_set"])
def test_other_paths_stay_as_they_are(home: Path, name: str) -> None:
    assert expand_home(name) == name


def test_the_home_folder_stands_for_its_sign(home: Path) -> None:
    assert expand_home("~") == str(home)
    assert expand_home(Path("~/a b")) == home / "a b" == expand_home(expand_home(Path("~/a b")))


@pytest.mark.usefixtures("no_home")
def test_without_a_home_folder_its_sign_is_an_error_and_nothing_is_kept_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UserError, match="'~/run' begins with the home folder, but there is none"):
        expand_home("~/run")
    with pytest.raises(OSError, match="Not a directory"):
        (home_folder() / "x").mkdir(parents=True)
    for name in ("ADAVIT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    images = load_images("small_set:2", resolution=4)
    assert "Name another folder with ADAVIT_CACHE" in images.notes[-1]


def test_an_empty_home_is_not_the_root_of_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "")
    with pytest.raises(UserError, match="HOME is empty"):
        expand_home("~/run")


@pytest.mark.parametrize("one", ["a/w.safetensors", Path("a/w.safetensors")])
def test_one_path_is_taken_as_several_are(one: Path | str) -> None:
    assert each_path(one) == each_path([one]) == each_path(iter([one])) == [Path(one)]
    assert each_path(()) == []


def test_arguments_named_are_expanded_and_no_others(home: Path) -> None:
    @takes_paths("path", "several")
    def echo(path: Any, *, several: Any = (), word: str = "~") -> tuple[Any, Any, str]:
        return path, list(several), word

    assert echo(None) == (None, [], "~")
    assert echo("~/a", several=("~/b", Path("c")), word="~/d") == (
        f"{home}/a",
        [f"{home}/b", Path("c")],
        "~/d",
    )


def test_every_path_of_the_configuration_is_expanded(home: Path) -> None:
    defaults = RunConfig()
    sections: dict[str, dict[str, Any]] = {
        section: {key: f"~/{key}" for key in vars(getattr(defaults, section)) if key in PATHS}
        for section in RunConfig.model_fields
    }
    schema = ResolvedConfig.model_json_schema()["$defs"].values()
    typed = {
        key
        for section in schema
        for key, field in section["properties"].items()
        if any(kind.get("format") == "path" for kind in field.get("anyOf", [field]))
    }
    assert {key for values in sections.values() for key in values} == PATHS
    assert typed | {"source", "reference", "init_discriminator"} == PATHS
    for key in ("transfer", "init_discriminator"):  # one of the two
        chosen = {**sections, "training": {key: f"~/{key}"}, "discriminator": {"kind": "vit"}}
        found = build_config([chosen]).as_dict()
        for section, values in chosen.items():
            for name in values.keys() & PATHS:
                assert found[section][name] == f"{home}/{name}"


PATHS = {
    "source",
    "data_root",
    "reference",
    "inception_weights",
    "transfer",
    "init_discriminator",
    "out",
}

CALLS: dict[str, Callable[[], Any]] = {
    "resume": lambda: adavit.resume(Path("~/missing")),
    "load_generator": lambda: adavit.load_generator("~/missing"),
    "evaluate": lambda: evaluate("~/missing.safetensors"),
    "evaluate --out": lambda: check_writable(Path("~/missing/record.json")),
    "generate": lambda: generate("~/missing.safetensors", [0], Path("out")),
    "compare": lambda: compare(["~/missing"]),
    "runs": lambda: list_runs(Path("~/missing")),
    "report": lambda: write_report([Path("~/missing")], Path("report.html")),
    "report --merge": lambda: write_report([], Path("report.html"), merge=[Path("~/missing")]),
    "memorisation": lambda: open_diagnosis("~/missing.safetensors", out=Path("out")),
    "inspect": lambda: open_inspection("~/missing"),
    "ablate": lambda: ablate("~/missing.yaml"),
    "sweep": lambda: sweep("~/missing.yaml"),
    "--config": lambda: read_config_file(Path("~/missing")),
    "vgg16:FILE": lambda: choose_extractor("vgg16:~/missing"),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_way_in_expands_its_paths(home: Path, name: str) -> None:
    with pytest.raises(UserError) as caught:
        CALLS[name]()
    assert f"{home}/missing" in str(caught.value)


def test_a_file_of_weights_may_lie_at_home(home: Path) -> None:
    (home / "weights.pth").write_bytes(b"nonsense")
    with pytest.raises(UserError, match=r"^(?!.*is not a file)"):
        choose_extractor("torchvision:resnet18:~/weights.pth")


def test_the_cache_may_lie_at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAVIT_CACHE", "~/kept")
    assert default_cache_dir() == home / "kept"


def test_what_a_path_is_a_slip_for_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "my_photos").mkdir()
    assert near_paths(tmp_path / "my_photo") == [str(tmp_path / "my_photos")]
    assert near_paths(tmp_path / "drawn") == []
    assert near_paths(tmp_path / "absent" / "my_photo") == []
    assert near_paths(Path("a\0b/my_photo")) == []


@pytest.mark.parametrize("name", ["m.jpg", "m", "png", ".png"])
def test_a_png_has_its_own_ending(name: str) -> None:
    check_png(Path("there/m.PNG"))
    with pytest.raises(
        UserError, match=rf"--out 'there/{name}' ends in .*, expected \.png\. Write for"
    ):
        check_png(Path("there") / name)


def test_names_that_would_meet_are_numbered_without_taking_a_number_that_is_there() -> None:
    given = ["a", "A", "a-2", "b", "a"]
    assert distinct_names(given) == ["a", "A-2", "a-2-2", "b", "a-3"]
    assert distinct_names(["grid"], taken=["Grid", "grid-2"]) == ["grid-3"]


@pytest.mark.parametrize(
    ("text", "on_windows", "elsewhere"),
    [
        (r"C:\runs\00001-a", r"C:\runs\00001-a", r"'C:\runs\00001-a'"),
        ("runs/mine", "runs/mine", "runs/mine"),
        ("my run", '"my run"', "'my run'"),
        ("C:\\my run\\", '"C:\\my run\\\\"', "'C:\\my run\\'"),
        ("a&b", '"a&b"', "'a&b'"),
        ("torch>=2", '"torch>=2"', "'torch>=2'"),
        ('a={"b": 1}', '"a={\\"b\\": 1}"', """'a={"b": 1}'"""),
        ("it's", '"it\'s"', """'it'"'"'s'"""),
        ("", '""', "''"),
    ],
)
def test_a_word_is_quoted_for_the_shell_of_the_system(
    text: str, on_windows: str, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for system, expected in (("win32", on_windows), ("linux", elsewhere), ("darwin", elsewhere)):
        monkeypatch.setattr(sys, "platform", system)
        assert quoted(text) == expected
