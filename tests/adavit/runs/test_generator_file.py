import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import adavit
from adavit.errors import UserError
from adavit.models import Generator
from adavit.runs.generator_file import read_generator, save_generator
from adavit.runs.weights_file import read_weights, write_weights
from tests.networks import GENERATOR, make_generator

ARGUMENTS = {
    **GENERATOR,
    "resolution": 8,
    "image_channels": 4,
    "num_classes": 3,
    "latent_dim": 6,
    "style_dim": 7,
    "mapping_layers": 1,
    "channel_base": 64,
    "channel_max": 8,
}


@pytest.fixture
def generator() -> Generator:
    return make_generator(**ARGUMENTS).eval()


@pytest.fixture
def stored(generator: Generator, tmp_path: Path) -> Path:
    path = tmp_path / "generator.safetensors"
    save_generator(
        path,
        generator,
        arguments=ARGUMENTS,
        config={"data": {"source": "x"}},
        data_fingerprint="ab" * 32,
        images=1234,
        metric={"name": "fid", "fid": 5.0},
        classes=("a", "b", "c"),
        label_counts=[3, 2, 1],
    )
    return path


def test_a_generator_comes_back_with_all_that_was_said_of_it(
    generator: Generator, stored: Path
) -> None:
    loaded = read_generator(stored)
    latents, labels = torch.randn(5, 6), torch.tensor([0, 1, 2, 0, 1])
    torch.testing.assert_close(
        loaded.generator(latents, labels), generator(latents, labels), rtol=0, atol=0
    )
    assert loaded.images == 1234
    assert loaded.metric == {"name": "fid", "fid": 5.0}
    assert loaded.classes == ("a", "b", "c")
    assert loaded.label_counts == [3, 2, 1]
    assert loaded.data_fingerprint == "ab" * 32
    assert loaded.config == {"data": {"source": "x"}}
    assert not loaded.generator.training


def test_it_tells_how_its_images_were_stretched(generator: Generator, stored: Path) -> None:
    assert read_generator(stored).stretch == 1
    _, metadata = read_weights(stored)
    write_weights(stored, generator, {**metadata, "stretch": "1.25"})
    assert read_generator(stored).stretch == 1.25
    for wrong in ("0", "-1", "1e9", "null", "NaN", '"2"', "true", "["):
        write_weights(stored, generator, {**metadata, "stretch": wrong})
        with pytest.raises(UserError, match=r"cannot be used.*stretch"):
            read_generator(stored)


def test_load_generator_returns_the_module(stored: Path) -> None:
    assert adavit.load_generator(str(stored)).image_channels == 4


def test_loading_leaves_the_global_random_state_alone(stored: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    read_generator(stored)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("keep", [0, 5, 200, -100])
def test_a_truncated_file_is_refused(stored: Path, keep: int) -> None:
    stored.write_bytes(stored.read_bytes()[:keep])
    with pytest.raises(UserError, match="cannot be used"):
        read_generator(stored)


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(UserError, match="cannot be used"):
        read_generator(tmp_path / "foreign.safetensors")


@pytest.mark.parametrize(
    "arguments",
    [
        {**ARGUMENTS, "resolution": 17},
        {**ARGUMENTS, "channel_max": 4},
        {**ARGUMENTS, "nonsense": 1},
        {**ARGUMENTS, "latent_dim": "6"},
        [],
    ],
)
def test_metadata_that_do_not_fit_the_weights_are_refused(
    generator: Generator, stored: Path, arguments: object
) -> None:
    _, metadata = read_weights(stored)
    write_weights(stored, generator, {**metadata, "generator": json.dumps(arguments)})
    with pytest.raises(UserError, match="cannot be used") as caught:
        read_generator(stored)
    assert "digest" not in str(caught.value)
    assert "damaged" not in str(caught.value)


def test_a_generator_that_diverged_is_refused_by_name(generator: Generator, stored: Path) -> None:
    with torch.no_grad():
        generator.w_average[2] = float("nan")
    save_generator(
        stored,
        generator,
        arguments=ARGUMENTS,
        config={},
        data_fingerprint="unknown",
        images=0,
        metric=None,
        classes=(),
        label_counts=None,
    )
    with pytest.raises(UserError, match="1 of 7 weights of w_average are not finite"):
        read_generator(stored)


def test_a_damaged_file_of_a_run_is_said_to_be_written_again(stored: Path) -> None:
    stored.write_bytes(stored.read_bytes()[:-4] + b"oops")
    with pytest.raises(UserError, match=r"damaged: .* copy the file again\.$"):
        read_generator(stored)
    (stored.parent / "checkpoint.pt").write_bytes(b"")
    stored.rename(stored.parent / "generator-last.safetensors")
    with pytest.raises(UserError, match=r"adavit train --resume .* writes it again from the check"):
        read_generator(stored.parent)


def test_an_absent_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"^there is no '.*absent\.safetensors', .*adavit runs lists"
    ):
        read_generator(tmp_path / "absent.safetensors")


def test_which_is_for_run_directories_only(stored: Path) -> None:
    with pytest.raises(UserError, match="--which is last"):
        read_generator(stored, which="last")


def test_others_may_read_the_file_as_far_as_the_umask_lets_them(stored: Path) -> None:
    beside = stored.with_name("beside")
    beside.write_bytes(b"")
    assert stored.stat().st_mode == beside.stat().st_mode
