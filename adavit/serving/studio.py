"""`studio`: serves a page of a generator until it is stopped."""

import secrets
import signal
import threading
import webbrowser
from pathlib import Path

from adavit.runtime.console import Console, console_or_here
from adavit.runtime.paths import takes_paths
from adavit.runtime.signals import Stopped, StopRequest
from adavit.serving.drawing import RecipeDrawer
from adavit.serving.server import LOOPBACK, StudioServer
from adavit.serving.site import Site
from adavit.serving.turns import DrawingTurns

TOKEN_BYTES = 24


@takes_paths("source", "directions")
def studio(
    source: Path | str,
    *,
    port: int = 0,
    directions: Path | str | None = None,
    open_page: bool = False,
    which: str | None = None,
    device: str = "auto",
    console: Console | None = None,
) -> None:
    """Shows a page that draws images of a generator as one moves its sliders; returns at Ctrl-C.

    Only browsers of this machine reach it, and only with the address that is told: a random token is
    part of it. Nothing is written, and nothing is fetched from elsewhere.

    Args:
        source: A run directory, a generator file, or `hub:USER/NAME`.
        port: Of 127.0.0.1; 0 takes any free one.
        directions: A file of `adavit directions`; None finds some by SeFa.
        open_page: Whether the page is opened in the browser of this machine.
        which: "best" or "last" generator of a run; None is the best.
        device: As `adavit.runtime.devices.choose_device`.
        console: Told the address; None shows it at a terminal or in a notebook.

    Raises:
        UserError: If there is no such generator, the directions cannot be used with it, or the port cannot be had.
        Stopped: If another signal than that of Ctrl-C has come.
    """
    with (
        console_or_here(console) as console,
        StudioServer(port) as server,
        DrawingTurns() as turns,
    ):
        file = None if directions is None else Path(directions)
        drawer = RecipeDrawer.open(
            source, directions=file, which=which, device=device, console=console
        )
        token = secrets.token_urlsafe(TOKEN_BYTES)
        address = f"http://{LOOPBACK}:{server.port}/{token}/"
        about = drawer.about()
        if about["warning"]:
            console.note(about["warning"])
        console.note(f"The studio draws from {source}: {about['described']}. Ctrl-C ends it.")
        console.result(address)
        if open_page:
            # A browser in the terminal stays until it is left, and needs the server meanwhile.
            threading.Thread(target=_open, args=(address, console), daemon=True).start()
        with StopRequest() as stop:
            server.serve(Site(drawer, turns, token), stop)
        console.note("The studio is closed.")
    number = stop.signal_number
    if number is not None and number != signal.SIGINT:
        raise Stopped(number)


def _open(address: str, console: Console) -> None:
    if not webbrowser.open(address):
        console.note(
            "Warning: no browser can be opened from here. Open the address in one yourself."
        )
