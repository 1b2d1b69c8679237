import os
import socket

import pytest

from adavit.errors import UserError
from adavit.runtime.place import Place

TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "TORCHELASTIC_RUN_ID": "one",
    "TORCHELASTIC_RESTART_COUNT": "2",
    "TORCHELASTIC_MAX_RESTARTS": "3",
}


@pytest.fixture(autouse=True)
def nobody_has_launched_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)


def torchrun(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    for name, value in {**TORCHRUN, **changes}.items():
        monkeypatch.setenv(name, value)


def test_a_process_that_nobody_launched_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Place.here() == Place(rank=0, size=1, local_rank=0, local_size=1)
    monkeypatch.setenv("RANK", "3")  # of something else
    assert Place.here() == Place()
    assert Place().described() == {}


def test_what_torchrun_says_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    torchrun(monkeypatch)
    place = Place.here()
    assert place == Place(5, 8, 1, 4, launch="one", attempt=2, restarts=3)
    where = f"process {os.getpid()} on {socket.gethostname()}"
    assert place.name() == f"rank 5 of 8 ({where})"
    assert place.name("cuda:1 of 8 GB") == f"rank 5 of 8 ({where}, cuda:1 of 8 GB)"
    assert place.described() == {"processes": 8, "launch": "one"}


@pytest.mark.parametrize("name", [name for name in TORCHRUN if name != "TORCHELASTIC_RUN_ID"])
@pytest.mark.parametrize("value", ["gold", "", "-1", "1.5", "٣", "9" * 10_000])
def test_what_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    torchrun(monkeypatch, **{name: value})
    with pytest.raises(UserError, match=rf"^the environment variable {name} is '.*unset them\.$"):
        Place.here()


def test_a_world_of_nobody_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    torchrun(monkeypatch, WORLD_SIZE="0")
    with pytest.raises(UserError, match="WORLD_SIZE is '0', expected a whole number from 1"):
        Place.here()


def test_launches_without_a_name_are_told_apart_by_who_launched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torchrun(monkeypatch, TORCHELASTIC_RUN_ID="none")
    assert Place.here().launch == f"{socket.gethostname()} {os.getppid()}"
