import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

import adavit
from adavit.errors import UserError
from adavit.evaluation.sources import config_of, open_source
from adavit.importing import import_networks as importing
from adavit.importing.import_networks import import_networks
from adavit.importing.networks import Part
from adavit.runs.discriminator_file import read_discriminator
from adavit.runs.generator_file import read_generator
from adavit.runs.imported_folder import ImportedFolder
from adavit.runtime.console import LineConsole
from adavit.training.start.transfer_source import read_source
from tests.network_pickles import dumped, generator_state, networks, write_networks
from tests.references.stylegan2 import generated


def test_the_files_hold_the_networks_and_say_where_they_are_from(
    network_pickle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ImportedFolder(tmp_path / "faces")
    written = import_networks(network_pickle, folder.path, console=LineConsole())
    files = {folder.readme, folder.generator, folder.unaveraged, folder.discriminator}
    assert set(written) == files
    assert {path.name for path in folder.path.iterdir()} == {
        *(file.name for file in files),
        ".adavit-results",
    }
    assert "of which nothing was run" in capsys.readouterr().out
    generator = adavit.load_generator(folder.path)
    latents = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    expected = generated(generator_state(seed=1), latents)
    bound = 1e-5 * float(expected.abs().max())
    torch.testing.assert_close(generator(latents), expected, rtol=0, atol=bound)
    stored = read_generator(folder.path)
    assert stored.origin.startswith("stylegan2:faces.pkl ")
    assert stored.config["features"]["seen"] == []
    assert (stored.images, stored.data_fingerprint) == (0, "unknown")
    assert read_discriminator(folder.discriminator).origin == stored.origin
    # As sources of evaluations: the sizes, and what is chosen where nobody asks.
    config = config_of(stored)
    assert (config.generator.latent_dim, config.metrics.fakes) == (16, 5000)
    assert config.data.source == "./faces.zip"
    source = open_source(str(folder.path), "SOURCE")
    assert source.run is None  # type: ignore[union-attr]
    with pytest.raises(UserError, match=r"was imported and has one generator\. Leave --which out"):
        read_generator(folder.path, which="best")


def test_classes_have_numbers_for_names(tmp_path: Path) -> None:
    path = write_networks(tmp_path / "a.pkl", classes=3, resolution=8)
    import_networks(path, tmp_path / "out", only="generator")
    stored = read_generator(tmp_path / "out")
    assert (stored.classes, stored.label_counts) == (("0", "1", "2"), [1, 1, 1])
    assert stored.config["features"]["seen"] == [stored.origin]  # nobody knows what judged it
    assert not (tmp_path / "out" / "discriminator.safetensors").exists()


def test_without_a_generator_it_says_so(tmp_path: Path, network_pickle: Path) -> None:
    import_networks(network_pickle, tmp_path / "out", only="discriminator")
    with pytest.raises(UserError, match="holds an imported discriminator alone"):
        read_generator(tmp_path / "out")


def test_nothing_half_written_stays(
    network_pickle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        import_networks(tmp_path / "nothing.pkl", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("mine")
    with pytest.raises(UserError, match="is not empty, expected a new folder"):
        import_networks(network_pickle, tmp_path / "full")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match=r"--out .* cannot be made"):
        import_networks(network_pickle, tmp_path / "file" / "out")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(importing, "save_generator", fail)
    with pytest.raises(OSError, match="No space left"):
        import_networks(network_pickle, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "there").mkdir()
    with pytest.raises(OSError, match="No space left"):
        import_networks(network_pickle, tmp_path / "there")
    assert not list((tmp_path / "there").iterdir())


@pytest.mark.parametrize(("whole", "only"), [(0, None), (1, None), (1, "generator")])
def test_what_a_kill_has_left_is_not_taken_for_an_import(
    network_pickle: Path, tmp_path: Path, whole: int, only: Part | None
) -> None:
    folder, save = ImportedFolder(tmp_path / "faces"), importing.save_generator
    left = [whole]

    def save_some(*arguments: Any, **named: Any) -> None:
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        save(*arguments, **named)

    def process() -> None:
        torch.set_num_threads(1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(importing, "save_generator", save_some)
            import_networks(network_pickle, folder.path, only=only)

    killed = multiprocessing.get_context("fork").Process(target=process)
    killed.start()
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    assert folder.unaveraged.is_file() == bool(whole)
    assert not folder.generator.is_file()
    for read in (read_source, read_generator):
        with pytest.raises(UserError, match="import the file again"):
            read(folder.path)
    with pytest.raises(UserError, match="or remove the folder and import the file again"):
        import_networks(network_pickle, folder.path)


def test_names_that_are_no_text_are_written_as_escapes(tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9.pkl"
    path.write_bytes(
        dumped(networks(resolution=8) | {"training_set_kwargs": {"path": "\udce9.zip"}})
    )
    import_networks(path, tmp_path / "faces")
    stored = read_generator(tmp_path / "faces")
    assert stored.origin.startswith("stylegan2:caf\\udce9.pkl ")
    assert stored.config["data"]["source"].endswith("\\udce9.zip")
