import os
import re
from pathlib import Path

import pytest

from adavit.augment.settings import OPERATIONS
from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import (
    build_config,
    merge,
    parse_assignment,
    preset_names,
    read_config_file,
    read_preset,
)
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.config.section import AUTO
from adavit.errors import UserError
from adavit.runtime.resolution import Resolution

CPU_FACTS = RunFacts(resolution=Resolution.of(32), training_images=2000, device="cpu")
GPU_FACTS = RunFacts(resolution=Resolution.of(256), training_images=20000, device="cuda")


def test_later_layers_win_key_by_key() -> None:
    preset = {"training": {"batch": 8, "r1_gamma": 1.0, "total_kimg": 5}}
    file = {"training": {"batch": 16, "r1_gamma": 2.0}}
    assignment = parse_assignment("training.batch=32")
    config = build_config([preset, file, assignment])
    assert (config.training.batch, config.training.r1_gamma, config.training.total_kimg) == (
        32,
        2.0,
        5,
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"training": {"r1_gama": 1}},
            "training.r1_gama is not a setting. Did you mean training.r1_gamma",
        ),
        ({"trainnig": {"batch": 1}}, "trainnig is not a setting. Did you mean training?"),
        (
            {"discriminator": {"kind": "resnet", "patch": 4}},
            "not a setting of the resnet discriminator",
        ),
        (
            {"discriminator": {"kind": "cnn"}},
            "discriminator.kind is 'cnn', expected resnet or vit or projected",
        ),
        ({"training": {"batch": 0}}, "training.batch is 0, expected greater than or equal to 1"),
        ({"training": {"r1_gamma": float("nan")}}, "training.r1_gamma"),
        ({"training": {"batch": 30, "microbatch": 8}}, "must be a multiple of training.microbatch"),
        (
            {"training": {"batch": 10**120}},
            "training.batch is <120 digits>, expected",
        ),
        (
            {"data": {"resolution": 16}, "generator": {"channel_base": 8}},
            r"generator.channel_base is 8, but must be at least 16.*data.resolution \(16\).*Use 256",
        ),
        (
            {"data": {"resolution": 16}, "discriminator": {"channel_base": 15}},
            "discriminator.channel_base is 15, but must be at least",
        ),
        (
            {"generator": {"mapping_layers": 10**9}},
            "generator.mapping_layers is 1000000000, expected",
        ),
        ({"generator": {"mapping_lr_multiplier": 1e33}}, "generator.mapping_lr_multiplier is 1e"),
        ({"data": {"resolution": 33}}, "data.resolution is 33.*Use 32, the nearest"),
        ({"augment": {"p": 0.4}}, "augment.mode is ada. Use --aug fixed"),
        ({"augment": {"mode": "fixed"}}, "augment.p is not given. Give --p"),
        ({"augment": {"preset": "diffaug"}}, "always on, but augment.mode is ada"),
        ({"augment": {"cutout": 2}}, "augment.cutout is 2, expected less than or equal to 1"),
        ({"augment": {"initial_p": 0.9}}, "at most augment.p_max"),
        ({"metrics": {"names": ["fid", "fid"]}}, "each metric may be named once"),
        ({"metrics": {"extractor": "random,random"}}, "each network may be named once. Remove the"),
        ({"metrics": {"names": ["is"]}}, "metrics.names"),
        (
            {"metrics": {"names": [], "patience_kimg": 5}},
            r"^metrics.patience_kimg is given, but metrics.names is empty\. Name a metric, or",
        ),
        (
            {"discriminator": {"kind": "vit", "width": 100, "heads": 3}},
            "must be a multiple of discriminator.heads",
        ),
        (
            {"data": {"resolution": 32}, "discriminator": {"kind": "vit", "patch": 5}},
            "must divide data.resolution",
        ),
        (
            {"data": {"resolution": "24x40"}, "discriminator": {"kind": "vit", "patch": "5x7"}},
            r"^discriminator.patch is 5x7, but must divide data.resolution \(24x40\): .*4, 6, .* Use 6x8\.$",
        ),
        (
            {"data": {"resolution": 32}, "discriminator": {"kind": "vit", "patch": "3x5"}},
            r"^discriminator.patch is 3x5, but must divide data.resolution \(32\): .*, 32\. Use 4\.$",
        ),
        (
            {"discriminator": {"kind": "vit", "patch": "0x3"}},
            r"^discriminator.patch is '0x3', .*1x3\.$",
        ),
        (
            {"discriminator": {"kind": "vit", "patch": "a"}},
            r"^discriminator.patch is 'a', but must be a side in pixels or height x width\. Use 4, or",
        ),
        (
            {"discriminator": {"kind": "vit", "patch": 2.5}},
            "^discriminator.patch is 2.5, but must be",
        ),
        ({"data": 3}, "data is 3, expected a section of keys"),
        ({"augment": {"extra": 3}}, "augment.extra is 3, expected a list"),
        ({"augment": {"extra": "RandomHue:p=.5"}}, "expected NAME:P such as RandomHue:0.5"),
    ],
)
def test_mistakes_say_what_was_wrong_expected_and_to_do(values: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_config([values])


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(UserError) as caught:
        build_config(
            [
                {
                    "training": {"batch": -1, "lr": 1},
                    "data": {"mirror": "perhaps"},
                    "run": {"seed": -1},
                }
            ]
        )
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert {line.split(" is ")[0] for line in lines} == {
        "training.batch",
        "training.lr",
        "data.mirror",
        "run.seed",
    }


@pytest.mark.parametrize("text", ["training.batch", "batch=3", "=3", ".x=3", "training.=3"])
def test_an_assignment_needs_section_key_and_value(text: str) -> None:
    with pytest.raises(UserError, match=r"SECTION\.KEY=VALUE"):
        parse_assignment(text)


def test_yaml_that_builds_objects_is_refused(tmp_path: Path) -> None:
    evil = tmp_path / "evil.yaml"
    evil.write_text(f"data: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n")
    with pytest.raises(UserError, match="not valid YAML"):
        read_config_file(evil)
    assert not (tmp_path / "made").exists()


def test_config_files_that_are_absent_or_no_mapping_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_config_file(tmp_path / "absent.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(UserError, match="expected a mapping"):
        read_config_file(tmp_path / "list.yaml")


def test_a_section_that_a_file_has_twice_is_named_with_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("data: {mirror: true}\n\ndata:\n  subset: 5\n")
    message = (
        r"mine\.yaml' has the key 'data' twice, at lines 1 and 3, expected it once: .* Remove one"
    )
    with pytest.raises(UserError, match=message):
        read_config_file(file)


@pytest.mark.parametrize("section", ["data", "training", "run", "pretraining", "batch"])
@pytest.mark.parametrize("written", ["5", "small_set", "[1]"])
def test_what_a_file_has_in_place_of_a_section_is_named(
    tmp_path: Path, section: str, written: str
) -> None:
    """A flag of the section hid it, or it ended in a traceback before anything was validated."""
    file = tmp_path / "mine.yaml"
    file.write_text(f"{section}: {written}\naugment: {{mode: none}}\ngenerator: 3\nmetrics:\n")
    with pytest.raises(UserError) as caught:
        read_config_file(file)
    first, second = str(caught.value).splitlines()
    assert re.match(
        rf"{section} is '?{re.escape(written)}'? in --config .*mine\.yaml', expected a section",
        first,
    )
    assert second.startswith("generator is 3 in --config")


@pytest.mark.parametrize("name", preset_names())
@pytest.mark.parametrize("facts", [CPU_FACTS, GPU_FACTS])
def test_every_preset_is_valid_and_resolves(name: str, facts: RunFacts) -> None:
    config = resolve(build_config([read_preset(name)]), facts)
    assert "auto" not in [
        value
        for section in ("training", "generator")
        for value in config.as_dict()[section].values()
    ]


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean stylegan2-ada"):
        read_preset("stylgan2-ada")


@pytest.mark.parametrize("kind", ["vit", "resnet"])
@pytest.mark.parametrize("facts", [CPU_FACTS, GPU_FACTS])
def test_resolving_leaves_nothing_to_choose_and_keeps_what_was_given(
    kind: str, facts: RunFacts
) -> None:
    config = build_config([{"discriminator": {"kind": kind}, "training": {"batch": 48}}])
    resolved = resolve(config, facts)
    for section, fields in resolved.as_dict().items():
        for key, value in fields.items():
            # These are words of their own: what was detected or chosen is recorded elsewhere.
            own_word = (section, key) in {
                ("data", "channels"),
                ("data", "scale_16bit"),
                ("metrics", "extractor"),
                ("run", "device"),
            }
            assert value != AUTO or own_word, (section, key)
    assert resolved.training.batch == 48
    assert resolve(RunConfig.model_validate(resolved.as_dict()), facts) == resolved


def test_the_word_auto_asks_for_the_default() -> None:
    config = build_config([{"training": {"batch": 8}}, {"training": {"batch": "auto"}}])
    assert config.training.batch == AUTO
    assert config.given("training.batch") is None


def test_a_resolved_configuration_survives_the_round_trip() -> None:
    resolved = resolve(RunConfig(), CPU_FACTS)
    assert ResolvedConfig.model_validate(resolved.as_dict()) == resolved


def test_presets_for_a_cpu_stay_small() -> None:
    for kind in ("vit", "resnet"):
        config = resolve(build_config([{"discriminator": {"kind": kind}}]), CPU_FACTS)
        assert config.generator.channel_max <= 64
    config = build_config([{"discriminator": {"kind": "vit"}}])
    vit = resolve(config, CPU_FACTS).discriminator
    assert vit.width <= 192
    assert vit.depth <= 3
    assert vit.patch.plain == 32 // 8
    assert resolve(config, CPU_FACTS).training.r1_interval == 4
    assert resolve(config, GPU_FACTS).training.r1_interval == 1
    assert resolve(RunConfig(), GPU_FACTS).training.r1_interval == 16


def test_defaults_of_the_adaptive_probability_follow_the_data_and_the_discriminator() -> None:
    def augment(kind: str, facts: RunFacts, heuristic: str = "rt") -> object:
        layer = {"discriminator": {"kind": kind}, "augment": {"heuristic": heuristic}}
        return resolve(build_config([layer]), facts).augment

    assert augment("resnet", CPU_FACTS).initial_p == 0
    assert augment("vit", CPU_FACTS).initial_p == 0.2
    assert augment("resnet", CPU_FACTS).speed_kimg == 200
    assert augment("resnet", GPU_FACTS).speed_kimg == 500
    assert augment("resnet", CPU_FACTS).target == 0.6
    assert augment("resnet", CPU_FACTS, "rv").target == 0.5
    assert augment("vit", CPU_FACTS).p_max == 0.8


def test_every_operation_of_the_pipe_is_a_key() -> None:
    assert len(OPERATIONS) == 16
    config = build_config([{"augment": dict.fromkeys(OPERATIONS, 0.5)}])
    assert all(getattr(config.augment, name) == 0.5 for name in OPERATIONS)


def test_another_kind_of_discriminator_takes_none_of_the_keys_of_the_first() -> None:
    preset = read_preset("smoke")
    config = build_config([preset, {"discriminator": {"kind": "resnet"}}])
    assert config.discriminator.kind == "resnet"


@pytest.mark.parametrize(
    ("weaker", "stronger", "kept"),
    [
        ({"keep_checkpoints": 5}, {"keep_checkpoints": "every:200"}, (5, 200)),
        ({"keep_checkpoints": "5,every:200"}, {"keep_checkpoints": "3"}, (3, 200)),
        ({"keep_checkpoints": "5,every:200"}, {"keep_checkpoints": 3}, (3, 200)),
        ({"keep_checkpoints": "5,every:200"}, {"keep_every_kimg": 50}, (5, 50)),
        ({"keep_checkpoints": "5,every:200"}, {"keep_every_kimg": None}, (5, None)),
        ({"keep_every_kimg": 50}, {"keep_checkpoints": "every:200"}, (2, 200)),
        ({"keep_checkpoints": "5,every:200"}, {"keep_checkpoints": "3,every:50"}, (3, 50)),
    ],
    ids=str,
)
def test_what_a_word_of_what_is_kept_does_not_name_stays_as_it_was(
    weaker: dict, stronger: dict, kept: tuple
) -> None:
    run = build_config([{"run": weaker}, {"run": stronger}]).run
    assert (run.keep_checkpoints, run.keep_every_kimg) == kept


def test_a_wrong_word_of_what_is_kept_counts_only_where_none_is_over_it() -> None:
    wrong = {"run": {"keep_checkpoints": "evry:3"}}
    with pytest.raises(UserError, match=r"run\.keep_checkpoints is 'evry:3'"):
        build_config([{"run": {"keep_checkpoints": 5}}, wrong])
    assert build_config([wrong, {"run": {"keep_checkpoints": 5}}]).run.keep_checkpoints == 5


def test_an_empty_section_changes_nothing() -> None:
    assert build_config([{"training": {"batch": 8}}, {"training": None}]).training.batch == 8


def test_a_file_whose_references_unfold_without_end_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["augment:", "  k0: &b0 [1,1,1]"]
    lines += [f"  k{n}: &b{n} [{','.join([f'*b{n - 1}'] * 9)}]" for n in range(1, 10)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join([*lines, "training:", "  batch: *b9"]))
    with pytest.raises(UserError, match="cannot be used: it unfolds to more than 100,000 values"):
        read_config_file(path)


def test_devices_and_pipes_are_no_settings(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/zero"), tmp_path / "pipe"):
        with pytest.raises(UserError, match="pipe, socket or device"):
            read_config_file(path)


@pytest.mark.parametrize(
    "key",
    [
        *("run.out", "data.source", "data.data_root", "metrics.inception_weights"),
        *("metrics.reference", "training.transfer", "training.init_discriminator"),
    ],
)
def test_a_path_that_no_system_could_have_is_refused(key: str) -> None:
    with pytest.raises(UserError, match=r"the path 'a\\x00b' has a character of number 0"):
        build_config([parse_assignment(f'{key}="a\\0b"')])


def test_a_path_that_is_no_text_is_named() -> None:
    with pytest.raises(UserError, match=r"the path .*not UTF-8 text.* Rename"):
        build_config([{"run": {"out": "caf\udce9"}}])


def test_a_name_that_is_no_text_is_named() -> None:
    with pytest.raises(UserError, match=r"data\.source is .*not UTF-8 text.* Rename the file"):
        build_config([{"data": {"source": "caf\udce9"}}])


def test_what_is_given_before_the_kind_that_it_is_for_is_not_lost() -> None:
    """`--preset P --set discriminator.channel_base=64 --discriminator resnet`, P of a ViT: the flag came last, and the
    setting went without a word."""
    preset = {"discriminator": {"kind": "vit", "width": 32}}
    given = {"discriminator": {"channel_base": 64}}
    merged = merge(preset, given, {"discriminator": {"kind": "resnet"}})
    assert merged == {"discriminator": {"channel_base": 64, "kind": "resnet"}}
    with pytest.raises(UserError, match=r"discriminator\.depth"):
        build_config(
            [preset, {"discriminator": {"depth": 2}}, {"discriminator": {"kind": "resnet"}}]
        )
