import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adavit.errors import UserError
from adavit.importing.networks import read_networks
from tests.network_pickles import (
    discriminator_state,
    dumped,
    generator_state,
    module_of,
    networks,
    tensorflow_networks,
    write_networks,
)

PUBLISHED = Path(__file__).parents[3].parent / "shared" / "reference" / "stylegan2_reference.npz"
"""What NVIDIA's own code computes of random weights."""


def write(path: Path, value: Any, protocol: int = 4) -> Path:
    path.write_bytes(dumped(value, protocol))
    return path


@pytest.mark.skipif(not PUBLISHED.is_file(), reason=f"{PUBLISHED} is not there")
@pytest.mark.parametrize("form", ["pytorch", "tensorflow"])
@pytest.mark.parametrize("case", ["plain16", "labels16", "cifar32"])
def test_images_and_logits_are_those_of_the_published_code(
    case: str, form: str, tmp_path: Path
) -> None:
    with np.load(PUBLISHED) as file:
        meta = json.loads(str(file["meta"]))[case]
        arrays = {k.removeprefix(f"{case}/"): file[k] for k in file.files if k.startswith(case)}

    def part(name: str) -> dict[str, torch.Tensor]:
        own = {k.removeprefix(f"{name}/"): v for k, v in arrays.items() if k.startswith(name)}
        return {key: torch.from_numpy(value) for key, value in own.items()}

    made, judge, expected = part("G"), part("D"), part("io")
    if form == "pytorch":
        group = {"b4.mbstd": {"group_size": meta["mb"], "num_channels": 1}}
        value: Any = {"G_ema": module_of(made), "D": module_of(judge, attributes=group)}
    else:
        known = {"mbstd_group_size": meta["mb"], "mapping_lrmul": 0.01}
        value = tensorflow_networks(made, judge, **known)
    found = read_networks(write(tmp_path / "a.pkl", value, 3), "FILE ")
    assert found.average is not None
    assert found.discriminator is not None
    labels = expected["c"].argmax(dim=1) if meta["c_dim"] else None
    for name, images in (
        ("images", found.average.network(expected["z"], labels)),
        ("images_truncated", found.average.network(expected["z"], labels, truncation=0.7)),
        ("logits", found.discriminator.network(expected["reals"], labels)[:, None]),
    ):
        # A hundred-thousandth of the scale.
        bound = 1e-5 * float(expected[name].abs().max())
        torch.testing.assert_close(images, expected[name], rtol=0, atol=bound)


def test_a_snapshot_has_three_networks_and_says_of_what_images(network_pickle: Path) -> None:
    found = read_networks(network_pickle, "FILE ")
    assert found.average is not None
    assert found.generator is not None
    assert found.discriminator is not None
    weights = [each.network.w_average for each in (found.average, found.generator)]
    assert torch.equal(weights[0], generator_state(seed=1)["mapping.w_avg"])
    assert torch.equal(weights[1], generator_state(seed=0)["mapping.w_avg"])
    assert (found.data, found.left_out) == ("faces.zip", ())
    assert found.identity == f"stylegan2:faces.pkl {found.digest}"


@pytest.mark.parametrize("protocol", [2, 3, 5])
def test_any_protocol_is_read(protocol: int, tmp_path: Path) -> None:
    path = write_networks(tmp_path / "a b.pkl", protocol, resolution=8)
    found = read_networks(path, "FILE ")
    assert found.average is not None
    assert found.identity.startswith("stylegan2:a_b.pkl ")


def test_other_forms_of_a_snapshot_are_read(tmp_path: Path) -> None:
    made, judge = generator_state(8), discriminator_state(8)
    alone = read_networks(write(tmp_path / "g.pkl", module_of(made)), "FILE ")
    assert alone.average is not None
    assert alone.discriminator is None
    assert alone.left_out == ("It holds no discriminator.",)
    judging = read_networks(write(tmp_path / "d.pkl", module_of(judge)), "FILE ")
    assert judging.average is None
    assert judging.discriminator is not None
    counted = {"G_ema": module_of(made), "cur_nimg": np.int64(25_000_000)}
    assert read_networks(write(tmp_path / "c.pkl", counted), "FILE ").images == 25_000_000


def stylegan3() -> dict[str, Any]:
    whole = networks()
    whole["G"] = whole["G_ema"] = module_of({"synthesis.input.weight": torch.zeros(3, 3)})
    return whole


def test_of_stylegan3_the_discriminator_is_taken_where_it_is_enough(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pkl", stylegan3())
    with pytest.raises(UserError, match=r"generator has no counterpart here \(it is StyleGAN3's"):
        read_networks(path, "FILE ")
    found = read_networks(path, "FILE ", without_generator=True)
    assert found.average is None
    assert found.discriminator is not None
    assert found.left_out == ("The generator is StyleGAN3's, which has no counterpart here.",)
    assert read_networks(path, "FILE ", only="discriminator").discriminator is not None


def test_what_has_no_counterpart_is_refused_with_what_can_be_done(tmp_path: Path) -> None:
    path = write_networks(tmp_path / "a.pkl", architecture="skip")
    with pytest.raises(UserError) as caught:
        read_networks(path, "FILE ")
    assert str(caught.value) == (
        f"FILE {str(path)!r}: the discriminator has no counterpart here (its architecture is skip, expected resnet or"
        " orig). Expected StyleGAN2's or StyleGAN2-ADA's. Take the generator alone: adavit import FILE --only"
        " generator --out DIR."
    )
    found = read_networks(path, "FILE ", only="generator")
    assert found.average is not None
    assert found.discriminator is None
    alone = write(tmp_path / "b.pkl", module_of(discriminator_state(architecture="skip")))
    with pytest.raises(UserError, match=r"Take another file\."):
        read_networks(alone, "FILE ")


def test_something_else_is_told_by_what_it_is(tmp_path: Path, network_pickle: Path) -> None:
    def told(content: bytes, **asked: Any) -> str:
        path = tmp_path / "a.pkl"
        path.write_bytes(content)
        with pytest.raises(UserError) as caught:
            read_networks(path, "FILE ", **asked)
        text = str(caught.value)
        assert "Expected a network pickle of StyleGAN2 or StyleGAN2-ADA; check the path" in text
        return text

    assert "it holds a dictionary of 1: weights, and none of the networks G, D, G_ema" in told(
        pickle.dumps({"weights": 3})
    )
    assert "it holds a list of 2, and none" in told(pickle.dumps([1, 2]))
    assert "an object of 'collections.Counter'" in told(b"ccollections\nCounter\n)R.")
    whole = network_pickle.read_bytes()
    assert "it is cut: it ends at byte 30000" in told(whole[:30_000])
    assert "it holds no generator" in told(
        dumped({"D": module_of(discriminator_state(8))}), only="generator"
    )
    with pytest.raises(UserError, match=r"cannot be read \(No such file"):
        read_networks(tmp_path / "nothing.pkl", "FILE ")


def test_a_tensor_that_reaches_beyond_its_storage_is_refused(network_pickle: Path) -> None:
    whole = network_pickle.read_bytes()
    sizes = b"K\x08K\x08K\x03K\x03t"  # of a convolution
    assert sizes in whole
    wrong = network_pickle.with_name("wrong.pkl")
    wrong.write_bytes(whole.replace(sizes, b"K\x08K\x08K\x03K\x09t"))
    with pytest.raises(UserError, match="does not lie in its storage of 576 numbers"):
        read_networks(wrong, "FILE ")
