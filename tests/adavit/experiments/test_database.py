import sqlite3
from pathlib import Path

import pytest
import sqlalchemy
from packaging.version import Version

from adavit.errors import UserError
from adavit.experiments.database import open_storage, sqlite_url
from adavit.experiments.patience import Patience, QueueUnreachable
from adavit.experiments.queue import Queue

IMPATIENT = Patience(0, "it")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "--storage is not a database URL"),
        ("postgresql://me:secret@host:many/db", "--storage is not a database URL"),
        ("sqlite:////nowhere/at/all.sqlite3", "cannot be opened .its folder is not there"),
        ("sqlite://", "in memory.*leave it out"),
        ("sqlite:///:memory:", "in memory.*leave it out"),
        ("mysql+absent://me:secret@host/db", "cannot be opened .*absent"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/db", r"cannot be opened .*127\.0\.0\.1"),
    ],
)
def test_a_queue_that_cannot_be_opened_is_the_users_to_mend(url: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        open_storage(url, IMPATIENT)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_about_to_start_is_waited_for() -> None:
    waited: list[float] = []
    with pytest.raises(UserError, match="cannot be opened"):
        open_storage(
            "postgresql+psycopg://me@127.0.0.1:1/db",
            Patience(30, "it", sleep=waited.append, clock=lambda: sum(waited)),
        )
    assert sum(waited) == pytest.approx(30)


def test_a_file_that_was_deleted_is_not_made_again(queue: Queue, tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite3"
    path.unlink()
    with pytest.raises(QueueUnreachable, match=f"its file {path} is gone"):
        IMPATIENT(lambda: queue.claim(["a"]))
    assert not path.exists()


def test_a_file_in_the_home_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    open_storage("sqlite:///~/queue.sqlite3", IMPATIENT)
    assert (tmp_path / "queue.sqlite3").is_file()


TAKES_ANY_NAME = Version(sqlalchemy.__version__) >= Version("2.1")


@pytest.mark.parametrize(
    "name",
    [
        *("a%20b", "a%41", "a#b", "a b", "50%", "ü&;=+@:", "~", "{x}", "{", "{{SCHEMA_VERSION}}"),
        *(["a?x=y", "?"] if TAKES_ANY_NAME else []),
    ],
)
def test_a_folder_of_any_name_has_its_own_queue(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "queue.sqlite3"
    path.parent.mkdir()
    open_storage(sqlite_url(path), IMPATIENT)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def test_where_the_queue_would_be_another_file_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_quotes(url: sqlalchemy.URL) -> str:  # as SQLAlchemy 2.0 does it
        return f"sqlite:///{url.database}"

    monkeypatch.setattr(sqlalchemy.URL, "render_as_string", without_quotes)
    assert sqlite_url(tmp_path / "a b") == f"sqlite:///{tmp_path}/a b"
    with pytest.raises(UserError, match=r"cannot lie in '.*/a\?x': .*2\.1 or newer\. Update"):
        sqlite_url(tmp_path / "a?x" / "queue.sqlite3")


def test_sqlite_locks_before_it_reads(queue: Queue, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "queue.sqlite3", timeout=0, isolation_level=None)
    with queue.storage.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN IMMEDIATE")
    other.close()
