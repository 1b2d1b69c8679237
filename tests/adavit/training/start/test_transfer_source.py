from pathlib import Path
from typing import Any

import pytest
import torch

from adavit.config.layers import build_config
from adavit.errors import UserError
from adavit.importing.import_networks import import_networks
from adavit.training.start.build import Start, build_step, first_step, read_start
from adavit.training.start.transfer import transfer
from adavit.training.start.transfer_source import read_source
from tests.adavit.training.test_options import SMALL, workload
from tests.network_pickles import (
    discriminator_state,
    dumped,
    generator_state,
    module_of,
    networks,
    write_networks,
)


@pytest.fixture(scope="module")
def pickled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pickled")
    return write_networks(folder / "faces.pkl", resolution=8, layers=3, architecture="orig")


def started(source: Path, **settings: Any) -> tuple[Any, list[str], Any]:
    """The first step of a run that starts from a file, what was said of it, and its configuration."""
    own = {key: value for key, value in SMALL.items() if key not in ("generator", "discriminator")}
    config = build_config([own, {"training": {"transfer": str(source)}}, settings])
    start = read_start(config)
    made = workload(start.noted_in(config).as_dict())
    step, notes = first_step(made, start)
    return step, notes, made.config


def test_a_run_has_the_sizes_and_the_weights_of_a_pickle(pickled: Path) -> None:
    step, notes, config = started(pickled)
    assert config.generator.mapping_layers == 3
    assert (config.generator.latent_dim, config.generator.channel_max) == (16, 8)
    assert (config.discriminator.form, config.data.resolution.plain) == ("plain", 8)
    assert not any("newly initialised" in note for note in notes), notes
    made = {"generator": step.generator, "average": step.average.module}
    for seed, network in enumerate(made.values()):
        expected = generator_state(8, layers=3, seed=seed)
        assert torch.equal(network.w_average, expected["mapping.w_avg"])
    judge = discriminator_state(8, architecture="orig")
    assert torch.equal(step.discriminator.head.dense.weight, judge["b4.out.weight"])
    (seen,) = config.features.seen
    assert seen.startswith("stylegan2:faces.pkl ")


def test_an_import_starts_a_run_as_its_pickle_does(pickled: Path, tmp_path: Path) -> None:
    import_networks(pickled, tmp_path / "faces")
    whole = read_source(pickled)
    for path in (tmp_path / "faces", tmp_path / "faces" / "generator.safetensors"):
        source = read_source(path)
        assert (source.seen, source.settings) == (whole.seen, whole.settings)
        torch.testing.assert_close(source.networks, whole.networks, rtol=0, atol=0)
        assert source.made_with == whole.made_with
    assert whole.made_with["average"]["mapping_lr_multiplier"] == 0.01
    alone = read_source(tmp_path / "faces" / "generator-unaveraged.safetensors")
    assert alone.networks.keys() == {"generator", "average"}
    judge = read_source(tmp_path / "faces" / "discriminator.safetensors")
    assert (judge.networks.keys(), judge.seen) == ({"discriminator"}, whole.seen)


def test_what_the_user_gives_stays(pickled: Path) -> None:
    _, notes, config = started(
        pickled, generator={"mapping_layers": 2}, discriminator={"form": "residual"}
    )
    assert (config.generator.mapping_layers, config.discriminator.form) == (2, "residual")
    assert any("skip" in note for note in notes)
    start = Start(settings={"generator": {"channel_base": 4}, "discriminator": {"form": "plain"}})
    with pytest.raises(UserError, match=r"generator\.channel_base is 4"):
        start.noted_in(build_config([{"data": {"resolution": 8}}]))
    vit = build_config([{"discriminator": {"kind": "vit"}}])
    kept = Start(settings={"discriminator": {"form": "plain"}}).noted_in(vit)
    assert kept == vit


def test_the_depth_of_the_label_network_follows_the_file(tmp_path: Path) -> None:
    path = write_networks(tmp_path / "a.pkl", resolution=8, classes=2)
    settings = read_source(path).settings
    assert settings["discriminator"]["label_layers"] == 8
    config = Start(settings=settings).noted_in(build_config([{}]))
    assert config.discriminator.label_layers == 8  # type: ignore[union-attr]


def test_a_discriminator_of_stylegan3_is_there_to_be_frozen(tmp_path: Path) -> None:
    whole = networks(resolution=8)
    whole["G"] = whole["G_ema"] = module_of({"synthesis.input.weight": torch.zeros(3, 3)})
    path = tmp_path / "a.pkl"
    path.write_bytes(dumped(whole))
    step, notes, _ = started(path, training={"freeze_d": 2})
    assert "The generator is StyleGAN3's, which has no counterpart here." in notes
    assert "Newly initialised: the generator; the file to start from has none." in notes
    judge = discriminator_state(8)
    assert torch.equal(step.discriminator.blocks[0].first.weight, judge["b8.conv0.weight"])
    assert not step.discriminator.blocks[0].first.weight.requires_grad


def test_a_file_without_a_discriminator_has_none_to_freeze(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(dumped({"G_ema": module_of(generator_state(8))}))
    _, notes, _ = started(path)
    assert "Newly initialised: the discriminator; the file to start from has none." in notes
    with pytest.raises(UserError, match="the file to start from has none that fits"):
        started(path, training={"freeze_d": 1})


def test_another_file_than_the_run_began_with_is_refused(pickled: Path) -> None:
    seen = {"features": {"seen": ["stylegan2:faces.pkl 00"]}}
    config = build_config([SMALL, {"training": {"transfer": str(pickled)}}, seen])
    with pytest.raises(UserError, match=r"training\.transfer .* has other weights than the run"):
        read_start(config)


def test_a_file_of_which_nothing_fits_is_refused(pickled: Path) -> None:
    step = build_step(workload(SMALL, {"generator": {"latent_dim": 5}}))
    source = read_source(pickled)
    source.networks["generator"].clear()
    source.networks["average"].clear()
    source.networks["discriminator"].clear()
    with pytest.raises(UserError, match=r"a file of which nothing fits these networks\. Leave"):
        transfer(step, source)
