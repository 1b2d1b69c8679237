from adavit.experiments.grid_file import grid_names, read_grid
from adavit.experiments.shipped import shipped_experiments
from adavit.experiments.sweep_file import read_sweep, sweep_names


def test_every_grid_and_sweep_is_described_by_its_file() -> None:
    found = shipped_experiments()
    grids, sweeps = ([e for e in found if e.kind == kind] for kind in ("grid", "sweep"))
    assert [grid.name for grid in grids] == grid_names()
    assert [sweep.name for sweep in sweeps] == sweep_names()
    for each in grids:
        grid = read_grid(each.name)
        assert (each.runs, each.varied) == (len(list(grid.points())), list(grid.axes))
        assert each.command == f"adavit ablate {each.name}"
    for each in sweeps:
        sweep = read_sweep(each.name)
        assert (each.runs, each.varied) == (sweep.trials, list(sweep.search))
        assert each.command == f"adavit sweep {each.name}"
    for each in found:
        assert each.about.startswith(each.meaning)
        assert 10 < len(each.meaning) < 150, each.name
