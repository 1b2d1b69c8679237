from pathlib import Path

import pytest

from adavit.errors import UserError
from adavit.report.run import collect_runs
from adavit.runs.listing import find_runs
from tests.adavit.report.synthetic import write_run


def test_runs_are_found_at_any_depth_and_once(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a" / "b" / "first")
    second = write_run(tmp_path / "second")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.yaml").write_text("data: {}")  # of something else
    (tmp_path / "link").symlink_to(tmp_path)
    assert find_runs(tmp_path) == [first, second]
    runs = collect_runs([tmp_path, first, tmp_path / "a"])
    assert [run.path for run in runs] == [first, second]


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_what_holds_no_run_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=name):
        collect_runs([tmp_path / name])
