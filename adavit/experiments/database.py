"""Opening Optuna's database, so that processes which start at the same moment do not trip over each other."""

import time
import warnings
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from adavit.errors import UserError, first_line

BUSY_SECONDS = 60
"""How long a process waits for another one's write to an SQLite file."""

ATTEMPTS = 6
"""Of making the tables: where two processes do so at once, one of them fails and finds them made."""


def sqlite_url(path: Path) -> str:
    """URL of an SQLite file."""
    return f"sqlite:///{path.resolve()}"


def open_storage(url: str, *, heartbeat_s: int, grace_s: int) -> RDBStorage:
    """Connects to a database, and makes the tables if they are missing.

    Args:
        url: As SQLAlchemy takes them, e.g. "sqlite:////tmp/queue.sqlite3" or
            "postgresql+psycopg://user@host/database".
        heartbeat_s: Seconds between signs of life of a worker.
        grace_s: Seconds without one after which it counts as dead.

    Raises:
        UserError: If there is no such database, or its driver is missing.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        address = sqlalchemy.engine.make_url(url)
    except SQLAlchemyError:
        raise UserError(
            f"--storage {url!r} is not a database URL, expected for example"
            " postgresql+psycopg://user@host/database. Correct it, or leave it out for a file."
        ) from None
    sqlite = address.get_backend_name() == "sqlite"
    arguments: dict[str, Any] = (
        {"connect_args": {"timeout": BUSY_SECONDS}} if sqlite else {"pool_pre_ping": True}
    )
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # the heartbeat; tested by us
                storage = RDBStorage(
                    url, arguments, heartbeat_interval=heartbeat_s, grace_period=grace_s
                )
        except ImportError:
            raise UserError(
                f"--storage needs the driver of {address.drivername!r}, which is not installed."
                " Expected a URL such as postgresql+psycopg://user@host/database; install it with:"
                " pip install 'adavit[queue]'."
            ) from None
        except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:
            if attempt == ATTEMPTS:
                shown = address.render_as_string(hide_password=True)
                raise UserError(
                    f"the queue {shown!r} cannot be opened ({_cause(error)}), expected a database"
                    " that may be written. Check the URL and that the server runs."
                ) from None
            time.sleep(0.1 * 2**attempt)
        else:
            if sqlite:
                _lock_before_reading(storage.engine)
            return storage
    raise AssertionError("unreachable")


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

    engine.dispose()  # connections made before know nothing of this


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(getattr(error, "orig", None) or error)
