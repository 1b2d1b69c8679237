import json
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import adavit
from adavit.errors import UserError
from adavit.runs.generator_file import read_generator
from adavit.runs.hub import is_hub, repository_of
from adavit.training.start.transfer_source import read_source
from tests.hub_stub import HubStub, hub_for_tests
from tests.stored_generators import store_generator


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStub]:
    with hub_for_tests(tmp_path / "hf", monkeypatch) as running:
        yield running


@pytest.fixture
def published(tmp_path: Path, hub: HubStub) -> HubStub:
    file = tmp_path / "g.safetensors"
    store_generator(file)
    others = {"pytorch_model.bin": b"a pickle", "config.json": json.dumps({}).encode()}
    hub.repositories["me/x"] = {"generator.safetensors": file.read_bytes(), **others}
    hub.repositories["me/empty"] = others
    return hub


def test_of_a_repository_only_the_safetensors_file_is_asked_for(published: HubStub) -> None:
    assert read_generator("hub:me/x").images == 1000
    assert adavit.load_generator("hub:me/x").latent_dim == 8
    asked = {request.partition(" ")[2] for request in published.asked}
    assert asked == {"/me/x/resolve/main/generator.safetensors"}
    # The second time the file has not changed.
    assert [request.partition(" ")[0] for request in published.asked].count("GET") == 1


def test_a_run_can_start_from_a_repository(published: HubStub) -> None:
    source = read_source(Path("hub:me/x"))
    for name, tensor in adavit.load_generator("hub:me/x").state_dict().items():
        assert torch.equal(source.networks["generator"][name], tensor)
    assert "discriminator" not in source.networks


def test_a_damaged_file_is_refused(published: HubStub) -> None:
    files = published.repositories["me/x"]
    files["generator.safetensors"] = files["generator.safetensors"][:-3]
    with pytest.raises(UserError, match="cannot be used"):
        adavit.load_generator("hub:me/x")


def test_what_is_not_there_is_told_apart(published: HubStub) -> None:
    with pytest.raises(UserError, match=r"'hub:me/empty' has no generator\.safetensors, expected"):
        adavit.load_generator("hub:me/empty")
    with pytest.raises(UserError, match=r"refuses 'hub:me/nothing' \(HTTP 404\)"):
        adavit.load_generator("hub:me/nothing")
    with pytest.raises(UserError, match=r"--which is last, but .* is not a run directory"):
        adavit.load_generator("hub:me/x", which="last")


def test_a_hub_that_cannot_be_reached_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_for_tests(tmp_path / "hf", monkeypatch) as gone:
        pass
    started = time.monotonic()
    with pytest.raises(UserError, match=rf"{gone.address} cannot be reached, .* cache") as error:
        adavit.load_generator("hub:me/x")
    assert time.monotonic() - started < 6  # huggingface_hub alone waits for 23
    assert "\n" not in str(error.value)


def test_what_huggingface_hub_says_of_its_tries_is_left_out(
    hub: HubStub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import huggingface_hub

    def interrupted(*_: object, **__: object) -> str:
        logging.getLogger("huggingface_hub.utils").warning("Retrying in 8s")
        raise huggingface_hub.errors.LocalEntryNotFoundError("no connection, and not in the cache")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", interrupted)
    with pytest.raises(UserError, match=rf"{hub.address} cannot be reached"):
        adavit.load_generator("hub:me/x")
    assert not caplog.records


def test_what_was_fetched_comes_without_a_network_too(
    published: HubStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = adavit.load_generator("hub:me/x").state_dict()
    monkeypatch.setattr("adavit.runs.hub.is_reachable", lambda _: False)
    before = list(published.asked)
    again = adavit.load_generator("hub:me/x").state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in fetched.items())
    assert published.asked == before


def test_a_hub_that_is_slow_to_answer_is_waited_for(
    published: HubStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adavit.runtime.reachability.CONNECTING_S", 0.2)
    published.delay_s = 0.5
    assert adavit.load_generator("hub:me/x").latent_dim == 8


def test_without_huggingface_hub_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r'not installed.* pip install "adavit\[hub\]"'):
        adavit.load_generator("hub:me/x")


def test_names_of_repositories() -> None:
    assert is_hub("hub:me/x")
    assert not is_hub("runs/hub")
    assert repository_of("hub:me-1/small.things_2") == "me-1/small.things_2"
    assert repository_of(f"hub:_me/{'x' * 96}") == f"_me/{'x' * 96}"
    for wrong in (
        *("me", "me/x/y", "../x", "me/..", "me/a b", "mé/x", "me/x\n", f"me/{'x' * 97}"),
        *("me/small--things", "me/small.git", "me/things-", "-me/x", "me/a..b", "me/.x", "me-/x"),
    ):
        with pytest.raises(UserError, match="expected hub:USER/NAME"):
            repository_of(f"hub:{wrong}")
