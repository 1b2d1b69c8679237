import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import adavit
from adavit.errors import UserError
from adavit.publishing.card import write_card
from adavit.publishing.publication_text import summarise_publication
from adavit.publishing.publish import publish
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import StoredGenerator, read_generator
from tests.adavit.publishing.conftest import WriteGenerator
from tests.hub_stub import HubStub, hub_for_tests

FILES = ["README.md", "adavit.json", "generator.safetensors", "samples.png"]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStub]:
    with hub_for_tests(tmp_path / "hf", monkeypatch) as running:
        yield running


def test_nothing_is_sent_before_yes(run: RunDirectory, hub: HubStub) -> None:
    made = publish(str(run.path), "hub:me/small")
    assert made.url is None
    assert hub.asked == []
    assert sorted(file.name for file in made.files) == FILES
    assert {file.name: file.path for file in made.files}[
        "generator.safetensors"
    ] == run.last_generator
    assert made.names == ("secret_photos.zip", "w.pth", "secret")
    assert (run.path / "card" / "README.md").is_file()


def test_all_names_that_the_bytes_sent_hold_are_listed(
    write_generator: WriteGenerator, tmp_path: Path
) -> None:
    file = write_generator(
        config={
            "data": {"source": "cifar10"},
            "features": {"seen": [f"adavit:secret_photos {'34' * 32}", "timm:vit_small 12"]},
            "metrics": {"reference": "/home/ann/secret_test"},
            "training": {"transfer": "/home/ann/runs/00003-secret_cats-resnet-bgc"},
        }
    )
    made = publish(str(file), "hub:me/small")
    (sent,) = [sent.content for sent in made.files if sent.name == "generator.safetensors"]
    told = summarise_publication(made)
    for name in ("secret_photos", "secret_test", "secret_cats"):
        assert name.encode() in sent
        assert name in told
    assert "vit_small" not in told


def test_names_are_those_of_a_file_that_was_replaced_by_one_of_the_same_weights(
    run: RunDirectory, write_generator: WriteGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    adavit.card(str(run.path))

    def read_and_replace(source: Path, *, which: str | None) -> StoredGenerator:
        stored = read_generator(source, which=which)
        write_generator(run.last_generator, config={"data": {"source": "/home/ann/secret_set"}})
        return stored

    monkeypatch.setattr("adavit.publishing.publish.read_generator", read_and_replace)
    assert publish(str(run.path), "hub:me/small").names == ("secret_set",)


def test_generator_and_card_are_sent_and_come_back(run: RunDirectory, hub: HubStub) -> None:
    page = adavit.card(str(run.path))[0]
    page.write_text(page.read_text() + "\nWritten by hand.\n")
    hub.token = "hf_mine"
    made = publish(str(run.path), "hub:me/small", yes=True, private=True)
    assert made.url == f"{hub.address}/me/small"
    assert hub.private == {"me/small": True}
    sent = hub.repositories["me/small"]
    assert sorted(sent) == FILES
    assert sent["generator.safetensors"] == run.last_generator.read_bytes()
    text = sent["README.md"].decode()
    assert text.endswith("Written by hand.\n")
    assert 'load_generator("hub:me/small")' in text
    assert "USER/NAME" not in text
    assert sum("/commit/" in asked for asked in hub.asked) == 1
    assert adavit.load_generator("hub:me/small").resolution == (8, 8)


def test_what_is_to_be_private_is_not_sent_to_a_public_repository(
    run: RunDirectory, hub: HubStub
) -> None:
    publish(str(run.path), "hub:me/open", yes=True)
    before = dict(hub.repositories["me/open"])
    hub.repositories["me/open"].clear()
    with pytest.raises(UserError, match=r"^--private is given, but hub:me/open .* public") as error:
        publish(str(run.path), "hub:me/open", yes=True, private=True)
    assert "Try again later" not in str(error.value)
    assert hub.repositories["me/open"] == {}
    publish(str(run.path), "hub:me/open", yes=True)
    assert hub.repositories["me/open"] == before


def test_a_card_of_other_weights_is_not_sent(
    run: RunDirectory, hub: HubStub, write_generator: WriteGenerator
) -> None:
    adavit.card(str(run.path))
    write_generator(run.last_generator, resolution=4)
    with pytest.raises(UserError, match=r"of other weights .* Write it anew: adavit card "):
        publish(str(run.path), "hub:me/small", yes=True)
    assert hub.asked == []


@pytest.mark.parametrize("name", ["samples.png", "adavit.json"])
@pytest.mark.parametrize("by_hand", ["", "\nWritten by hand.\n"])
def test_what_a_card_lacks_is_named_and_can_be_put_there(
    name: str, by_hand: str, run: RunDirectory, hub: HubStub
) -> None:
    page = adavit.card(str(run.path))[0]
    page.write_text(page.read_text() + by_hand)
    (page.parent / name).unlink()
    with pytest.raises(UserError, match=rf"lacks {name}, expected .* adavit card") as error:
        publish(str(run.path), "hub:me/small", yes=True)
    assert hub.asked == []
    remedy = re.search(r"adavit card (\S+) --out (\S+), and move (\S+) from", str(error.value))
    assert remedy is not None
    source, out, moved = remedy.groups()
    adavit.card(source, out)
    (Path(out) / moved).rename(page.parent / moved)
    publish(str(run.path), "hub:me/small", yes=True)
    assert sorted(hub.repositories["me/small"]) == FILES


def test_weights_that_a_run_replaces_while_the_card_is_written_are_not_sent(
    run: RunDirectory,
    hub: HubStub,
    write_generator: WriteGenerator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def write_and_replace(stored: StoredGenerator, folder: Path, *, license: str | None) -> None:
        write_card(stored, folder, license=license)
        write_generator(run.last_generator, seed=1)

    monkeypatch.setattr("adavit.publishing.publish.write_card", write_and_replace)
    with pytest.raises(UserError, match=r"of other weights .* Write it anew: adavit card "):
        publish(str(run.path), "hub:me/small", yes=True)
    assert hub.asked == []
    adavit.card(str(run.path))
    publish(str(run.path), "hub:me/small", yes=True)
    sent = hub.repositories["me/small"]["generator.safetensors"]
    assert sent == run.last_generator.read_bytes()


def test_a_file_that_is_damaged_after_it_was_read_is_not_sent(
    run: RunDirectory, hub: HubStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_and_damage(stored: StoredGenerator, folder: Path, *, license: str | None) -> None:
        write_card(stored, folder, license=license)
        stored.path.write_bytes(stored.path.read_bytes()[:-4])

    monkeypatch.setattr("adavit.publishing.publish.write_card", write_and_damage)
    with pytest.raises(UserError, match="of other weights"):
        publish(str(run.path), "hub:me/small", yes=True)
    assert hub.asked == []


def test_a_refusal_and_a_wrong_name_are_one_line(run: RunDirectory, hub: HubStub) -> None:
    hub.token = "hf_of_someone_else"
    with pytest.raises(UserError, match=r"HTTP 401.* log in with hf auth login, or set HF_TOKEN"):
        publish(str(run.path), "hub:me/small", yes=True)
    for name in ("me/small", "hub:small", "hub:me/../etc", "hub:"):
        with pytest.raises(UserError, match=r"--to .* expected hub:USER/NAME"):
            publish(str(run.path), name, yes=True)
    with pytest.raises(UserError, match="on a hub already"):
        publish("hub:me/small", "hub:me/other", yes=True)
    assert hub.repositories == {}


def test_without_huggingface_hub_the_extra_is_named(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    publish(str(run.path), "hub:me/small")
    with pytest.raises(UserError, match=r'huggingface_hub, .* pip install "adavit\[hub\]"'):
        publish(str(run.path), "hub:me/small", yes=True)


def test_a_hub_that_cannot_be_reached_is_said_at_once(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_for_tests(tmp_path / "hf", monkeypatch) as gone:
        pass
    started = time.monotonic()
    with pytest.raises(UserError, match=rf"{gone.address} cannot be used .*no connection"):
        publish(str(run.path), "hub:me/small", yes=True)
    assert time.monotonic() - started < 6
