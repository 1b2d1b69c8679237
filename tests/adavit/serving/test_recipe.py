import pytest

from adavit.errors import UserError
from adavit.serving.recipe import Offer, Recipe

OFFER = Offer(layers=6, classes=(0, 2), directions=3)


def test_a_recipe_is_read() -> None:
    assert Recipe.parse("seed=18446744073709551615", OFFER) == Recipe(2**64 - 1)
    query = "layers=4,0&seed=3&class=2&truncation=0.75&other=0&amounts=2:-1.5,0:5"
    assert Recipe.parse(query, OFFER) == Recipe(
        seed=3,
        class_index=2,
        truncation=0.75,
        other=0,
        layers=(0, 4),
        amounts=((0, 5.0), (2, -1.5)),
    )
    assert Recipe.parse("seed=1&amounts=&other=2&layers=", OFFER) == Recipe(1, other=2)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "a seed"),
        ("truncation=1", "a seed"),
        ("seed", "names and values"),
        ("seed=1&seed=2", "at most once"),
        ("seed=1&path=/etc/passwd", "at most once"),
        ("seed=%ff", "names and values"),
        ("&".join(["seed=1"] * 7), "names and values"),
        ("seed=-1", "below 2^64"),
        ("seed=18446744073709551616", "below 2^64"),
        ("seed=٣", "below 2^64"),
        ("seed=1&class=1", "the number of a class"),
        ("seed=1&class=cat", "the number of a class"),
        ("seed=1&truncation=nan", "from 0 to 2"),
        ("seed=1&truncation=2.01", "from 0 to 2"),
        ("seed=1&truncation=1e0", "from 0 to 2"),
        ("seed=1&layers=1", "the other seed"),
        ("seed=1&other=2&layers=6", "layers below 6"),
        ("seed=1&other=2&layers=1,1", "each once"),
        ("seed=1&other=2&layers=0,1,2,3,4,5,0", "each once"),
        ("seed=1&other=2&layers=1,", "layers below 6"),
        ("seed=1&amounts=3:1", "directions below 3"),
        ("seed=1&amounts=1:1,1:2", "each once"),
        ("seed=1&amounts=1", "from -5 to 5"),
        ("seed=1&amounts=1:5.1", "from -5 to 5"),
        ("seed=1&amounts=0:1,1:1,2:1,0:1", "each once|from -5 to 5"),
    ],
)
def test_what_cannot_be_is_refused(query: str, expected: str) -> None:
    with pytest.raises(UserError, match=rf"expected .*({expected.replace('^', '.')}).* Correct it"):
        Recipe.parse(query, OFFER)


def test_a_refusal_quotes_little() -> None:
    with pytest.raises(UserError) as refused:
        Recipe.parse(f"seed={'9' * 1900}", OFFER)
    assert len(str(refused.value)) < 200
