import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import squeezenet1_1

import adavit
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.errors import UserError
from adavit.features import torchvision_networks, weights
from adavit.features.architectures import IMAGENET_MEAN, IMAGENET_STD
from adavit.features.critic import FeatureCritic
from adavit.features.heads import PatchHead, TokenHead
from adavit.metrics.extractors import weight_files
from adavit.metrics.extractors.weight_files import file_digest
from adavit.models.san import SanLayer
from adavit.runtime.console import SilentConsole
from adavit.training.start.build import build_step
from adavit.training.start.workload import load_workload, prepare
from tests.adavit.training.test_train import assert_same_bits, figures, final_state


@pytest.fixture
def features(tmp_path: Path) -> dict:
    torch.manual_seed(0)
    torch.save(squeezenet1_1(weights=None).state_dict(), tmp_path / "squeeze.pth")
    return {"features": {"network": f"torchvision:squeezenet1_1:{tmp_path / 'squeeze.pth'}"}}


def test_a_run_has_the_critic_that_its_settings_say(
    tiny: Callable[..., RunConfig], features: dict
) -> None:
    more = {"features": {"weight": 0.5, "loss": "hinge", "mixing": "scales", "p": 0.3}}
    step = build_step(prepare(tiny(features, more), SilentConsole()))
    objective = step.features
    assert objective is not None
    assert objective.weight == 0.5
    assert objective.pipe is not None
    assert objective.pipe.p == pytest.approx(0.3)
    assert [tap.stride for tap in objective.critic.frozen[0].taps] == [4, 8]
    assert objective.critic.get_buffer("mean0").abs().max() > 0
    assert build_step(prepare(tiny(), SilentConsole())).features is None


def test_maps_are_standardised_by_images_of_every_class(
    tiny: Callable[..., RunConfig], features: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adavit.training.start.features.CALIBRATION_IMAGES", 8)
    workload = load_workload(tiny(features), SilentConsole())
    count = len(workload.split.train)
    shades = np.zeros(workload.image_set.images.shape, np.uint8)
    classes = np.zeros(len(shades), np.int64)
    classes[workload.split.train[count // 2 :]] = 1  # sorted, as files in folders are
    shades[classes == 1] = 255
    seen: list[torch.Tensor] = []
    monkeypatch.setattr(FeatureCritic, "calibrate", lambda self, batches: seen.extend(batches))
    image_set = replace(workload.image_set, images=shades, labels=classes, classes=("a", "b"))
    build_step(replace(workload, image_set=image_set))
    assert sorted(torch.cat(seen).mean(dim=(1, 2, 3)).tolist()) == [-1.0] * 4 + [1.0] * 4


def test_the_colours_that_its_network_takes_are_those_of_the_settings(
    tiny: Callable[..., RunConfig], features: dict
) -> None:
    colours = {"mean": (0.1, 0.2, 0.3), "std": (0.5, 0.4, 0.2)}
    steps = [
        build_step(prepare(tiny(features, {"features": given}), SilentConsole()))
        for given in (colours, {})
    ]
    grey = torch.zeros(1, 3, 16, 16)
    seen, usual = (
        step.features.critic.frozen[0].normalised(grey)[0, :, 0, 0]  # type: ignore[union-attr]
        for step in steps
    )
    torch.testing.assert_close(seen, torch.tensor([0.4 / 0.5, 0.3 / 0.4, 0.2 / 0.2]))
    torch.testing.assert_close(
        usual, (0.5 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    )


def test_maps_are_standardised_by_images_on_grounds(
    tiny: Callable[..., RunConfig], tmp_path: Path, features: dict
) -> None:
    means = []
    for number, alpha in enumerate((255, 254, 20)):
        folder = tmp_path / str(number)
        folder.mkdir()
        for index in range(8):
            colour = (30 * index, 200, 20 * index, alpha)
            picture = Image.new("RGBA", (16, 16), colour)
            picture.putpixel((0, 0), (*colour[:3], 0))  # else it has no alpha
            picture.save(folder / f"{index}.png")
        source = {"data": {"source": str(folder), "val_fraction": 0}}
        step = build_step(prepare(tiny(features, source), SilentConsole()))
        means.append(step.features.critic.get_buffer("mean0"))  # type: ignore[union-attr]
    torch.testing.assert_close(means[0], means[1], rtol=0.1, atol=0.05)
    assert (means[0] - means[2]).abs().max() > 0.1


@pytest.mark.parametrize("class_token", [True, False])
def test_the_class_token_has_a_head_where_it_is_wanted(
    tiny: Callable[..., RunConfig], tmp_path: Path, class_token: bool
) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    save_file(timm.create_model("test_vit").state_dict(), tmp_path / "vit.safetensors")
    network = f"timm:test_vit:{tmp_path / 'vit.safetensors'}"
    config = tiny({"features": {"network": network, "maps": 1, "class_token": class_token}})
    objective = build_step(load_workload(config, SilentConsole())).features
    assert objective is not None
    kinds = [type(head) for head in objective.critic.heads]
    assert kinds == ([PatchHead, TokenHead] if class_token else [PatchHead])
    # What the configuration leaves open is as timm knows it.
    known = timm.get_pretrained_cfg("test_vit").mean
    torch.testing.assert_close(objective.critic.frozen[0].mean.flatten(), torch.tensor(known))


@pytest.mark.parametrize("kind", ["resnet", "projected"])
def test_half_then_resume_equals_one_go_bit_for_bit(
    tiny: Callable[..., RunConfig], tmp_path: Path, features: dict, kind: str
) -> None:
    features |= {"discriminator": {"kind": kind}}
    quiet = {"metrics": {"names": []}, "run": {"status_every_kimg": 0.008}}
    whole = tiny(features, quiet, {"run": {"out": str(tmp_path / "whole")}})
    half = tiny(
        features,
        quiet,
        {"run": {"out": str(tmp_path / "half")}, "training": {"total_kimg": 0.024}},
    )
    adavit.train(whole)
    adavit.train(half)
    adavit.resume(tmp_path / "half", [{"training": {"total_kimg": whole.training.total_kimg}}])
    assert_same_bits(final_state(tmp_path / "whole"), final_state(tmp_path / "half"))
    logs = [figures(tmp_path / run / "stats.jsonl") for run in ("whole", "half")]
    assert logs[0] == logs[1]
    assert ("features_generator" in logs[0][-1]) is (kind == "resnet")


@pytest.mark.parametrize("classes", [False, True])
def test_san_is_the_last_layer_of_every_head(
    tiny: Callable[..., RunConfig], features: dict, classes: bool
) -> None:
    settings = {"training": {"san": True}, "data": {"cond": classes}}
    steps = [build_step(prepare(tiny(features, x), SilentConsole())) for x in (settings, {})]
    heads = [[part for part in step.features.critic.heads] for step in steps]  # type: ignore[union-attr]
    assert [isinstance(head.readout, SanLayer) for head in heads[0]] == [True, True]
    assert [isinstance(head.readout, SanLayer) for head in heads[1]] == [False, False]
    kept = [part for part in steps[0].judges.modules() if isinstance(part, SanLayer)]
    assert len(kept) == 3  # the discriminator's too
    assert steps[0].sliced == kept


def test_a_run_and_what_comes_of_it_say_what_its_discriminator_saw(
    tiny: Callable[..., RunConfig], tmp_path: Path, features: dict
) -> None:
    run = adavit.train(tiny(features))
    (seen,) = read_config(run).features.seen
    file = features["features"]["network"].removeprefix("torchvision:squeezenet1_1:")
    assert seen == f"torchvision:squeezenet1_1 {file_digest(Path(file))}"
    assert adavit.load_generator(run).discriminator_saw == (seen,)
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert all(record["protocol"]["discriminator_saw"] == [seen] for record in records)
    after = {"training": {"transfer": str(run)}, "run": {"out": str(tmp_path / "after")}}
    heir = adavit.train(tiny(after))
    assert read_config(heir).features.seen == (seen,)
    assert adavit.load_generator(heir).discriminator_saw == (seen,)
    plain = adavit.train(tiny({"run": {"out": str(tmp_path / "plain")}}))
    record = json.loads((plain / "metrics.jsonl").read_text().splitlines()[0])
    assert record["protocol"]["discriminator_saw"] is None


def test_weights_that_have_changed_or_gone_stop_a_resume_before_data_are_loaded(
    tiny: Callable[..., RunConfig], features: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = adavit.train(tiny(features))
    monkeypatch.setattr("adavit.training.start.workload.load_images", loaded)
    file = Path(features["features"]["network"].removeprefix("torchvision:squeezenet1_1:"))
    torch.save(squeezenet1_1(weights=None).state_dict(), file)
    with pytest.raises(UserError, match="has other weights than the run began with"):
        adavit.resume(run, kimg=1)
    file.unlink()
    with pytest.raises(UserError, match=r"squeeze\.pth names no file") as gone:
        adavit.resume(run, kimg=1)
    assert str(gone.value).endswith("name where it is now with --features LIBRARY:NAME:FILE.")


def loaded(*_: object, **__: object) -> None:
    raise AssertionError


def read_config(run: Path) -> ResolvedConfig:
    return ResolvedConfig.model_validate(yaml.safe_load((run / "config.yaml").read_text()))


def test_a_network_that_cannot_be_had_is_told_before_data_are_loaded(
    tiny: Callable[..., RunConfig],
    tmp_path: Path,
    features: dict,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adavit.training.start.workload.load_images", loaded)
    monkeypatch.setitem(sys.modules, "timm", None)
    (tmp_path / "vit.pth").touch()
    vit = f"torchvision:vit_b_16:{tmp_path / 'vit.pth'}"
    for section, message in [
        ({"network": f"torchvision:resnet18:{tmp_path / 'nothing.pth'}"}, r"nothing\.pth names no"),
        ({"network": "timm:any_network"}, r'pip install "adavit\[timm\]"'),
        ({"network": vit, "side": 72}, "must be a multiple of the 16 px"),
        ({"network": vit, "side": 64, "maps": 5}, r"features\.maps is 5"),
        # 3x3 pixels are too few, and 64 the side that follows from the resolution.
        ({**features["features"], "maps": 3}, r"has 2 maps of at least 4x4 places"),
    ]:
        with pytest.raises(UserError, match=message):
            adavit.train(tiny({"features": section, "data": {"resolution": 16}}))
    pickled = ("pickled.pth", squeezenet1_1(weights=None), "holds pickled objects")
    nested = ("nested.pth", {"state": {"a": torch.zeros(1)}}, "does not hold tensors by name")
    foreign = ("foreign.pth", {"a": torch.zeros(1)}, "lacks 52 tensors")
    for name, content, message in (pickled, nested, foreign):
        torch.save(content, tmp_path / name)
        section = {"network": f"torchvision:squeezenet1_1:{tmp_path / name}"}
        with pytest.raises(UserError, match=rf"{message}.*, or leave --features out\."):
            adavit.train(tiny({"features": section}))


def test_a_start_hashes_and_reads_its_file_once_and_builds_its_network_once(
    tiny: Callable[..., RunConfig], features: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = Counter[str]()

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*given: object, **named: object) -> Any:
            # What lies on "meta" has shapes and no weights: it takes no time.
            counts[name] += torch.get_default_device().type != "meta"
            return function(*given, **named)

        return called

    monkeypatch.setattr(weight_files, "file_digest", counting("hashed", weight_files.file_digest))
    monkeypatch.setattr(weights, "read_tensors", counting("read", weights.read_tensors))
    whole = torchvision_networks._whole
    monkeypatch.setattr(torchvision_networks, "_whole", counting("built", whole))
    run = adavit.train(tiny(features, {"metrics": {"names": []}}))
    assert counts == {"hashed": 1, "read": 1, "built": 1}
    counts.clear()
    adavit.resume(run)
    assert counts == {"hashed": 1, "read": 1, "built": 1}


def test_weights_on_the_disk_are_offered_at_the_start_of_a_run_that_sees_through_none(
    tiny: Callable[..., RunConfig],
    tmp_path: Path,
    features: dict,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quiet = {"metrics": {"names": []}, "training": {"total_kimg": 0.008}}
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    place = tmp_path / "torch/hub/checkpoints/resnet18-f37072fd.pth"
    place.parent.mkdir(parents=True)
    place.touch()
    said: list[str] = []
    console = SilentConsole()
    console.note = said.append  # type: ignore[method-assign]

    def offers() -> int:
        count = sum("--features torchvision:resnet18 adds a critic" in line for line in said)
        said.clear()
        return count

    run = adavit.train(tiny(quiet), console=console)
    assert offers() == 1
    adavit.resume(run, kimg=0.016, console=console)
    adavit.train(tiny(features, quiet, {"run": {"out": str(tmp_path / "seeing")}}), console=console)
    assert offers() == 0


def test_weights_may_move_between_a_run_and_its_continuation(
    tiny: Callable[..., RunConfig], features: dict, tmp_path: Path
) -> None:
    run = adavit.train(
        tiny(features, {"metrics": {"names": []}, "training": {"total_kimg": 0.008}})
    )
    file = Path(features["features"]["network"].removeprefix("torchvision:squeezenet1_1:"))
    moved = f"torchvision:squeezenet1_1:{file.rename(tmp_path / 'moved.pth')}"
    with pytest.raises(UserError, match=r"features\.network is None, but the run in"):
        adavit.resume(run, features={"network": None})
    adavit.resume(run, kimg=0.016, features={"network": moved})
    assert read_config(run).features.network == moved
    torch.save(squeezenet1_1(weights=None).state_dict(), tmp_path / "other.pth")
    with pytest.raises(UserError, match="has other weights than the run began with"):
        adavit.resume(run, features=f"torchvision:squeezenet1_1:{tmp_path / 'other.pth'}")
    settings = yaml.safe_load((run / "config.yaml").read_text())
    settings["features"]["network"] = None
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    with pytest.raises(
        UserError, match=r"features\.network is None in .*, but the run was trained"
    ):
        adavit.resume(run, kimg=0.024)
