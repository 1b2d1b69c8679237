from pathlib import Path

import pytest

from adavit.runs.generation_names import generation, generations


@pytest.mark.parametrize("stem", ["checkpoint", "pretraining", "a.b"])
def test_generations_are_named_by_their_place_and_found_by_their_names(
    tmp_path: Path, stem: str
) -> None:
    newest = tmp_path / f"{stem}.pt"
    expected = [f"{stem}.pt", f"{stem}-1.pt", f"{stem}-2.pt", f"{stem}-10.pt"]
    assert [generation(newest, place).name for place in (0, 1, 2, 10)] == expected
    others = [f"{stem}-0.pt", f"{stem}-sound.pt", f"{stem}-01.pt", f"{stem}-1.pt.bak", "axb-1.pt"]
    for name in (*reversed(expected), *others):
        (tmp_path / name).touch()
    generation(newest, 3).mkdir()
    assert [path.name for path in generations(newest)] == expected
    newest.unlink()
    assert [path.name for path in generations(newest)] == expected[1:]


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert generations(tmp_path / "nothing" / "checkpoint.pt") == []
