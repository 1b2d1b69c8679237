import json
import re

from adavit.experiments.grid_file import grid_names
from adavit.experiments.sweep_file import sweep_names
from tests.cli.conftest import Adavit


def test_grids_and_sweeps_are_listed_with_a_line_each(adavit: Adavit) -> None:
    grids, _, sweeps = adavit("grids").out.partition("Sweeps, for adavit sweep NAME:\n")
    names = [line.split()[0] for line in grids.splitlines()[1:-1]]
    assert names == grid_names()
    assert [line.split()[0] for line in sweeps.splitlines()[: len(sweep_names())]] == sweep_names()
    assert re.search(
        r"^smoke +3 runs: Three cells in a minute, for seeing that everything works", grids, re.M
    )


def test_grids_as_json(adavit: Adavit) -> None:
    found = json.loads(adavit("grids", "--json").out)
    assert [each["name"] for each in found] == [*grid_names(), *sweep_names()]
    assert {each["kind"] for each in found} == {"grid", "sweep"}
