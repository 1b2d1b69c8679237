from pathlib import Path

from adavit.report.summary import headline
from tests.adavit.report.synthetic import table_of, write_grid


def test_the_headline_names_the_best_row_and_its_baseline(tmp_path: Path) -> None:
    sentence = headline(table_of(write_grid(tmp_path)))
    assert sentence.startswith("Lowest fd_random: bg with 6.250 ± 0.500 over 3 seeds")
    assert "none, has 9.250 ± 0.500" in sentence
    assert "excludes zero" in sentence


def test_two_seeds_are_not_called_sure(tmp_path: Path) -> None:
    assert "from 2 seeds only" in headline(table_of(write_grid(tmp_path, seeds=2)))
