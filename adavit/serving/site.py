"""What the server replies to which address: the files of the page, facts, pictures and latents."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from importlib import resources

from adavit.errors import RunError, UserError
from adavit.serving.drawing import RecipeDrawer
from adavit.serving.recipe import Recipe
from adavit.serving.turns import DrawingTurns, NoTurn

LONGEST = 2000
"""Letters of an address: the longest recipe has some 500."""

TEXT, JSON, PNG, SAFETENSORS = (
    *("text/plain; charset=utf-8", "application/json"),
    *("image/png", "application/octet-stream"),
)
FILES = {
    "": ("index.html", "text/html; charset=utf-8"),
    "studio.css": ("studio.css", "text/css; charset=utf-8"),
    "studio.js": ("studio.js", "text/javascript; charset=utf-8"),
    "asking.js": ("asking.js", "text/javascript; charset=utf-8"),
}
"""Those of the page by the end of their address, with their kind."""


@dataclass(frozen=True)
class Reply:
    """An answer to a request.

    Attributes:
        content: Its body.
        kind: As the header Content-Type names it.
        status: Of HTTP.
    """

    content: bytes
    kind: str = TEXT
    status: HTTPStatus = HTTPStatus.OK

    @classmethod
    def refusal(cls, status: HTTPStatus, text: str) -> "Reply":
        """A text that says why there is nothing else."""
        return cls(f"{text}\n".encode(), status=status)


class Site:
    """The addresses below /TOKEN/: nothing is read from a disk by what a request says.

    Args:
        drawer: Makes pictures and latents.
        turns: When they are made.
        token: What every address begins with.
    """

    def __init__(self, drawer: RecipeDrawer, turns: DrawingTurns, token: str) -> None:
        folder = resources.files("adavit.serving") / "page"
        self._ready = {
            end: Reply((folder / name).read_bytes(), kind) for end, (name, kind) in FILES.items()
        }
        self._ready["about"] = Reply(json.dumps(drawer.about()).encode(), JSON)
        self._made: dict[str, tuple[Callable[[Recipe], bytes], str]] = {
            "picture": (drawer.picture, PNG),
            "latent": (drawer.latent, SAFETENSORS),
        }
        self._turns, self._token, self._offer = turns, token, drawer.offer

    def reply(self, target: str) -> Reply:
        """The answer to a GET of an address.

        Args:
            target: Path and query, as the request has them.
        """
        if len(target) > LONGEST:
            return Reply.refusal(HTTPStatus.REQUEST_URI_TOO_LONG, "The address is too long.")
        path, _, query = target.partition("?")
        token, slash, end = path.removeprefix("/").partition("/")
        ours = secrets.compare_digest(token.encode(), self._token.encode())
        if not (path.startswith("/") and ours):
            told = "Open the whole address that adavit studio has printed."
            return Reply.refusal(HTTPStatus.FORBIDDEN, told)
        if slash and not query and end in self._ready:
            return self._ready[end]
        if not slash or end not in self._made:
            return Reply.refusal(HTTPStatus.NOT_FOUND, "There is nothing at this address.")
        return self._drawn(*self._made[end], query)

    def _drawn(self, make: Callable[[Recipe], bytes], kind: str, query: str) -> Reply:
        try:
            recipe = Recipe.parse(query, self._offer)
            return Reply(self._turns.take(lambda: make(recipe)), kind)
        except UserError as error:
            return Reply.refusal(HTTPStatus.BAD_REQUEST, str(error))
        except NoTurn:
            told = "Too many drawings wait already. Try again in a moment."
            return Reply.refusal(HTTPStatus.SERVICE_UNAVAILABLE, told)
        except RunError as error:
            return Reply.refusal(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
