"""Opening Optuna's database, so that processes which start at the same moment do not trip over each other."""

import sqlite3
from pathlib import Path
from typing import Any, NoReturn

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from adavit.errors import UserError, first_line
from adavit.experiments.patience import Patience, QueueUnreachable
from adavit.runtime.paths import expand_home

BUSY_S = 5
"""How long the driver waits for another process's write to an SQLite file; signals are not seen meanwhile."""

ANSWER_S = 10
"""How long a server may take to answer, before it counts as gone."""

_SERVER_DRIVERS = ("psycopg", "psycopg2")
"""Those that take the settings of libpq."""


def sqlite_url(path: Path) -> str:
    """URL of an SQLite file, with what has a meaning in a URL escaped: a folder may have any name.

    Raises:
        UserError: If this version of SQLAlchemy would open another file.
    """
    address = sqlalchemy.URL.create("sqlite", database=str(path.resolve()))
    url = address.render_as_string()
    if sqlalchemy.engine.make_url(url) != address:
        raise UserError(
            f"the queue cannot lie in {str(path.parent)!r}: to SQLAlchemy {sqlalchemy.__version__} its name ends at the"
            " question mark, expected 2.1 or newer. Update it, or choose another folder with --out."
        )
    return url


def shown_url(url: str) -> str:
    """A database's URL without its password.

    Raises:
        UserError: If it is none.
    """
    return _address(url).render_as_string(hide_password=True)


def open_storage(url: str, patience: Patience) -> RDBStorage:
    """Connects to a database, and makes the tables if they are missing.

    Args:
        url: As SQLAlchemy takes them, e.g. "sqlite:////tmp/queue.sqlite3" or
            "postgresql+psycopg://user@host/database".
        patience: For a server that is about to start, and for other processes: where two make the tables
            at once, one of them fails and finds them made.

    Raises:
        UserError: If there is no such database, or its driver is missing.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    address = _address(url)
    sqlite = address.get_backend_name() == "sqlite"

    def connect() -> RDBStorage:
        try:
            rendered = address.render_as_string(hide_password=False)
            # Optuna takes it for a template.
            template = rendered.replace("{", "{{").replace("}", "}}")
            return RDBStorage(template, _engine_arguments(address))
        except RuntimeError as error:  # half of the tables are there
            raise StorageInternalError(str(error)) from error

    if sqlite and address.database in (None, "", ":memory:"):
        raise UserError(
            f"--storage {url!r} is a database in memory, which ends with this process, expected one"
            " that lasts. Give a file, such as sqlite:///queue.sqlite3, or leave it out for a file"
            " in --out."
        )
    if sqlite and not Path(address.database or "").absolute().parent.is_dir():
        _cannot_be_opened(url, "its folder is not there")
    try:
        storage = patience(connect)
    except ImportError:
        raise UserError(
            f"--storage needs the driver of {address.drivername!r}, which is not installed."
            " Expected a URL such as postgresql+psycopg://user@host/database; install it with:"
            ' pip install "adavit[queue]".'
        ) from None
    except QueueUnreachable as error:
        _cannot_be_opened(url, error.cause)
    except SQLAlchemyError as error:  # of the URL: nothing that time would mend
        _cannot_be_opened(url, first_line(error))
    if sqlite:
        _lock_before_reading(storage.engine)
        _never_make_the_file_again(storage.engine, Path(address.database or ""))
    return storage


def _address(url: str) -> sqlalchemy.URL:
    try:
        address = sqlalchemy.engine.make_url(url)
    except (SQLAlchemyError, ValueError):
        raise UserError(
            "--storage is not a database URL, expected for example"
            " postgresql+psycopg://user@host/database. Correct it, or leave it out for a file."
        ) from None
    if address.get_backend_name() == "sqlite" and address.database:
        return address.set(database=expand_home(address.database))
    return address


def _engine_arguments(address: sqlalchemy.URL) -> dict[str, Any]:
    if address.get_backend_name() == "sqlite":
        # A file that was moved away or replaced is noticed by the next connection only.
        return {"connect_args": {"timeout": BUSY_S}, "poolclass": sqlalchemy.NullPool}
    if address.get_driver_name() not in _SERVER_DRIVERS:
        return {"pool_pre_ping": True}
    limits = {"connect_timeout": ANSWER_S, "tcp_user_timeout": 1000 * ANSWER_S}
    return {"pool_pre_ping": True, "connect_args": limits}


def _cannot_be_opened(url: str, cause: str) -> NoReturn:
    raise UserError(
        f"the queue {shown_url(url)!r} cannot be opened ({cause}), expected a database that may be"
        " written. Check the URL, and that the server is running."
    ) from None


def _lock_before_reading(engine: sqlalchemy.Engine) -> None:
    """Makes each SQLite transaction take the write lock before it reads.

    SQLite knows no "select for update", and Python's driver begins a transaction only at the first
    write: two workers could read that a trial is waiting and both take it.
    """

    @sqlalchemy.event.listens_for(engine, "connect")
    def leave_transactions_to_us(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    @sqlalchemy.event.listens_for(engine, "begin")
    def begin(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _never_make_the_file_again(engine: sqlalchemy.Engine, path: Path) -> None:
    """An empty file in place of one that was deleted would say that nothing is wrong."""

    @sqlalchemy.event.listens_for(engine, "do_connect")
    def check(*_: Any) -> None:
        if not path.exists():
            raise sqlite3.OperationalError(f"its file {path} is gone")
