from benchmarks.claims.page import page_of, verdicts_of
from benchmarks.claims.results import Outcome, Place
from tests.benchmarks.claims.made_up import ending_at, places, results


def test_a_page_without_a_cell_says_that_nothing_can_be_told() -> None:
    nothing = results(lambda place, seed: None)
    page = page_of(nothing, (0, 252))
    assert "0 of 294 places are filled (0 of 252 cells; grids share some)." in page
    assert [verdict.letter for verdict in verdicts_of(nothing)] == list("abcdefg")
    assert page.count("| cannot be told here |") == 7


def test_every_cell_stands_there_with_its_difference_to_none() -> None:
    def make(place: Place, seed: int) -> Outcome | None:
        if place.discriminator == "vit":
            return None
        return ending_at(10.0 + seed if place.cell in ("none", "p 0") else 8.0 + seed)

    page = page_of(results(make), (126, 252))
    filled = [place for place in places() if place.discriminator == "resnet"]
    rows = page.partition("## Every cell")[2].splitlines()[3:]
    assert len(rows) == len(filled)
    assert (
        "| few-images-cpu | resnet | 1,000 | SAN | 3 | 9 ± 1 | 9 ± 1 | 50.0% ± 0.0% | -2 [-2, -2], lower |"
        in rows
    )
    assert (
        "| few-images-cpu | resnet | 100 | none | 3 | 11 ± 1 | 11 ± 1 | 50.0% ± 0.0% |  |" in rows
    )
