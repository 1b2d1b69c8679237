"""A PostgreSQL server of our own, on a loopback port, for as long as a test lasts."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest


def find_binaries() -> Path:
    """Folder of initdb and pg_ctl; Debian keeps them off the PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    for folder in reversed(folders):
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    pytest.skip("PostgreSQL's server is not installed (Debian: apt install postgresql)")


def unprivileged_user() -> str | None:
    """Whom to run the server as: it refuses to run as root. None is oneself."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    pytest.skip("there is no user but root to run PostgreSQL's server")


@dataclass(frozen=True)
class Server:
    """One that runs.

    Attributes:
        url: Of its database.
        stop: Ends it, and all connections to it.
        start: Lets it run again, on the same port with the same data.
    """

    url: str
    stop: Callable[[], None]
    start: Callable[[], None]


@contextlib.contextmanager
def running_server() -> Iterator[Server]:
    """Starts a server, and ends it."""
    binaries, user = find_binaries(), unprivileged_user()
    # Not in pytest's folder, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="adavit-postgresql-"))
    password = folder / "password"
    password.write_text("a-test's\n")
    if user is not None:
        shutil.chown(folder, user)
        shutil.chown(password, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def call(program: str, *arguments: str) -> None:
        command = [str(binaries / program), *arguments]
        subprocess.run(command, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    data, log = str(folder / "data"), str(folder / "log")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -k {folder}"
    try:
        call(
            "initdb",
            "-D",
            data,
            "-U",
            "me",
            "--auth=scram-sha-256",
            f"--pwfile={password}",
            "--no-sync",
        )
        start = partial(call, "pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start")
        stop = partial(call, "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        start()
        try:
            url = f"postgresql+psycopg://me:a-test%27s@127.0.0.1:{port}/postgres"
            yield Server(url, stop, start)
        finally:
            stop()
    finally:
        shutil.rmtree(folder)
