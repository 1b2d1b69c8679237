import json
from http import HTTPStatus

import pytest

from adavit.generation.sampling import ImagesNotFinite
from adavit.serving.drawing import RecipeDrawer
from adavit.serving.recipe import Recipe
from adavit.serving.site import FILES, LONGEST, Site
from adavit.serving.turns import DrawingTurns, NoTurn

TOKEN = "a-token_of-tests"


@pytest.fixture
def site(drawer: RecipeDrawer):
    with DrawingTurns() as turns:
        yield Site(drawer, turns, TOKEN)


def test_the_files_of_the_page_are_there_and_what_they_refer_to(site: Site) -> None:
    for end, (_, kind) in FILES.items():
        reply = site.reply(f"/{TOKEN}/{end}")
        assert (reply.status, reply.kind) == (HTTPStatus.OK, kind)
    page = site.reply(f"/{TOKEN}/").content.decode()
    assert all(f'="{end}"' in page for end in ("studio.css", "studio.js"))
    assert "://" not in page
    assert " style=" not in page  # the content policy would leave it out
    about = json.loads(site.reply(f"/{TOKEN}/about").content)
    assert about["directions"] == 6


def test_pictures_and_latents_are_drawn(site: Site, drawer: RecipeDrawer) -> None:
    picture = site.reply(f"/{TOKEN}/picture?seed=4&truncation=0.5")
    assert (picture.status, picture.kind) == (HTTPStatus.OK, "image/png")
    assert picture.content == drawer.picture(Recipe(4, truncation=0.5))
    latent = site.reply(f"/{TOKEN}/latent?seed=4&other=5&layers=0")
    assert latent.content == drawer.latent(Recipe(4, other=5, layers=(0,)))


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/", 403),
        ("", 403),
        (f"{TOKEN}/", 403),
        ("/wrong/", 403),
        (f"/{TOKEN[:-1]}/", 403),
        (f"/{TOKEN}x/picture?seed=1", 403),
        (f"//{TOKEN}/", 403),
        ("/tök\xff/", 403),
        (f"http://127.0.0.1/{TOKEN}/", 403),
        (f"/{TOKEN}", 404),
        (f"/{TOKEN}/studio.css?", 200),
        (f"/{TOKEN}/studio.css?seed=1", 404),
        (f"/{TOKEN}/index.html", 404),
        (f"/{TOKEN}/../studio.py", 404),
        (f"/{TOKEN}/%2e%2e/studio.py", 404),
        (f"/{TOKEN}//etc/passwd", 404),
        (f"/{TOKEN}/picture/", 404),
        (f"/{TOKEN}/picture", 400),
        (f"/{TOKEN}/picture?seed=x", 400),
        (f"/{TOKEN}/picture?seed=1&class=1", 400),
        (f"/{TOKEN}/latent?seed=1&other=../../w", 400),
        (f"/{TOKEN}/picture?seed=1&{'x' * LONGEST}", 414),
    ],
)
def test_nothing_else_is_replied(target: str, status: int, site: Site) -> None:
    reply = site.reply(target)
    assert reply.status == status
    assert TOKEN.encode() not in reply.content


def test_a_generator_that_diverged_says_so(drawer: RecipeDrawer, monkeypatch) -> None:
    def diverged(self: RecipeDrawer, recipe: Recipe) -> bytes:
        raise ImagesNotFinite("1 of 1 images that the generator draws are not finite")

    monkeypatch.setattr(RecipeDrawer, "picture", diverged)
    with DrawingTurns() as turns:
        reply = Site(drawer, turns, TOKEN).reply(f"/{TOKEN}/picture?seed=1")
    assert reply.status == HTTPStatus.INTERNAL_SERVER_ERROR
    assert b"are not finite, expected numbers" in reply.content


def test_without_room_it_asks_for_patience(drawer: RecipeDrawer) -> None:
    class Full(DrawingTurns):
        def take(self, draw):
            raise NoTurn

    reply = Site(drawer, Full(), TOKEN).reply(f"/{TOKEN}/picture?seed=1")
    assert reply.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert b"Try again in a moment" in reply.content
