import sqlite3
from pathlib import Path

import pytest

from adavit.errors import UserError
from adavit.experiments.database import open_storage
from adavit.experiments.queue import Queue


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a database URL"),
        ("sqlite:////nowhere/at/all.sqlite3", "cannot be opened .*unable to open"),
        ("mysql+absent://host/db", "URL|driver|adavit"),
    ],
)
def test_a_queue_that_cannot_be_opened_is_the_users_to_mend(
    url: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adavit.experiments.database.ATTEMPTS", 1)
    with pytest.raises(UserError, match=message):
        open_storage(url, heartbeat_s=1, grace_s=2)


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adavit.experiments.database.ATTEMPTS", 1)
    with pytest.raises(UserError) as caught:
        open_storage("postgresql+psycopg://me:secret@127.0.0.1:1/db", heartbeat_s=1, grace_s=2)
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_sqlite_locks_before_it_reads(queue: Queue, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "queue.sqlite3", timeout=0, isolation_level=None)
    with queue.storage.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN IMMEDIATE")
    other.close()
