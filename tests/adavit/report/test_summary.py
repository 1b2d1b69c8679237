import json
import shutil
from pathlib import Path

from adavit.report.report import write_report
from adavit.report.run import collect_runs
from adavit.report.seed_groups import group_runs
from adavit.report.summary import MOST_SENTENCES, headline, report_title
from adavit.report.table import parse_table
from adavit.report.table_parts import table_parts
from tests.adavit.report.synthetic import (
    PROTOCOL,
    SAW,
    cell_of,
    failed_cell,
    table_of,
    write_grid,
    write_mixed,
    write_run,
    write_sizes,
)


def test_the_headline_names_the_best_row_and_its_baseline(tmp_path: Path) -> None:
    sentence = headline(table_of(write_grid(tmp_path)))
    assert sentence.startswith("Lowest fd_random: bg with 6.250 ± 0.500 over 3 seeds")
    assert "none, has 9.250 ± 0.500" in sentence
    assert "excludes zero" in sentence


def test_the_headline_says_where_seeds_do_not_agree(tmp_path: Path) -> None:
    for label, figures in {"none": (9.0, 9.5, 10.0), "bg": (8.0, 10.0, 8.0)}.items():
        for seed, figure in enumerate(figures):
            cell = cell_of(label, seed, baseline=label == "none")
            run = tmp_path / f"{label}{seed}"
            write_run(run, seed=seed, preset=label, values=(20.0, figure), cell=cell)
    sentence = headline(table_of(tmp_path))
    assert sentence.startswith("Lowest fd_random: bg with ")
    assert sentence.endswith("an interval that includes zero.")


def test_the_headline_compares_only_what_the_table_does(tmp_path: Path) -> None:
    whole = headline(table_of(write_sizes(tmp_path / "whole")))
    assert "bg 100 with 26.00" in whole
    assert "the baseline, none 100, has 31.00" in whole
    assert "excludes zero" in whole
    said = headline(table_of(write_sizes(tmp_path / "half", missing="none 100")))
    assert said == "Lowest fd_random: bg 100 with 26.00 ± 1.00 over 3 seeds."
    for seed in range(3):
        shutil.rmtree(tmp_path / "whole" / f"bg100-{seed}")
        shutil.rmtree(tmp_path / "half" / f"bg1000-{seed}")
        write_run(
            tmp_path / "half" / f"none100-{seed}",
            seed=seed,
            mode="none",
            values=(90.0, 20.0 + seed),
            cell=cell_of("none", seed, baseline=True, size=100)
            | {"label": "none 100", "cell": f"none100-{seed}"},
        )
    # The baseline of no row in the table: nothing has tried to improve on it.
    said = headline(table_of(tmp_path / "whole"))
    assert said == "Lowest fd_random: none 100 with 31.00 ± 1.00 over 3 seeds."
    assert "nothing improved on it" in headline(table_of(tmp_path / "half"))


def call_images(run: Path, name: str, fingerprint: str) -> None:
    """Writes what the run was trained on."""
    described = json.loads((run / "data.json").read_text())
    changed = described | {"name": name, "fingerprint": fingerprint}
    (run / "data.json").write_text(json.dumps(changed))


def test_of_different_images_none_is_singled_out(tmp_path: Path) -> None:
    write_run(tmp_path / "a", preset="bg")
    other = write_run(tmp_path / "b", preset="color", protocol={"reference_fingerprint": "cd"})
    call_images(other, "cats", "cd")
    said = "The runs are on 2 sets of images, whose figures do not compare."
    assert headline(table_of(tmp_path)) == said


def test_runs_on_different_images_compare_where_they_are_measured_against_the_same(
    tmp_path: Path,
) -> None:
    write_run(tmp_path / "a", preset="bg")
    other = write_run(tmp_path / "b", preset="color", values=(20.0, 5.0))
    call_images(other, "cats", "cd")
    assert headline(table_of(tmp_path)).startswith("Lowest fd_random: cats with 5.000")


def test_the_same_images_by_another_name_are_no_other_set(tmp_path: Path) -> None:
    write_run(tmp_path / "a", preset="bg")
    other = write_run(tmp_path / "b", preset="color", protocol={"n_fake": 5000})
    call_images(other, "more squares", "ab" * 32)
    table = table_of(tmp_path)
    assert "do not compare" not in headline(table)
    assert [part.title.partition(" · ")[0] for part in table_parts(table)] == [
        "squares abababab",
        "more squares abababab",
    ]


def test_the_title_is_a_grid_only_where_all_runs_are_of_it(tmp_path: Path) -> None:
    write_grid(tmp_path)
    whole = group_runs(collect_runs([tmp_path]))
    name = whole[0].grid
    assert report_title(whole, []) == name
    write_run(tmp_path / "another")
    assert report_title(group_runs(collect_runs([tmp_path])), []) == "10 runs"


def test_two_seeds_are_not_called_sure(tmp_path: Path) -> None:
    assert "from 2 seeds only" in headline(table_of(write_grid(tmp_path, seeds=2)))


def test_each_part_of_mixed_runs_has_its_sentence(tmp_path: Path) -> None:
    """A figure of one protocol says nothing of runs under another."""
    for fakes in (100, 5000):
        write_run(tmp_path / f"a{fakes}", preset="bg", protocol={"n_fake": fakes})
        write_run(tmp_path / f"b{fakes}", preset="color", protocol={"n_fake": fakes})
    table = table_of(tmp_path)
    titles = [part.title for part in table_parts(table)]
    sentence = headline(table)
    assert [sentence.count(f"{title}: Lowest fd_random: ") for title in titles] == [1, 1]


def test_of_many_parts_the_first_are_told_and_the_others_counted(tmp_path: Path) -> None:
    for fakes in range(100, 100 + MOST_SENTENCES + 2):
        write_run(tmp_path / str(fakes), protocol={"n_fake": fakes})
    sentence = headline(table_of(tmp_path))
    assert sentence.count("fd_random of ") == MOST_SENTENCES
    assert "2 more tables are below." in sentence


def test_the_headline_does_not_rank_flattered_figures_and_says_so_where_it_is_told_to(
    tmp_path: Path,
) -> None:
    apart = headline(table_of(write_mixed(tmp_path)))
    assert "Lowest" not in apart
    assert "fd_random of color p=0.4: 4.000 (flattered by its pretrained features)." in apart
    anyway = headline(table_of(tmp_path, anyway=True))
    assert anyway == (
        "Lowest fd_random: color p=0.4 with 4.000 (flattered by its pretrained features)."
    )


def test_the_headline_is_of_figures_that_all_have_unflattered(tmp_path: Path) -> None:
    write_mixed(tmp_path)
    for name, figure in (("plain", 2.0), ("marked", 3.0)):
        random = {**PROTOCOL, "extractor_learned_from": "nothing", **SAW}
        record = {"precision_random": figure, "protocol": random, "source": {}}
        (tmp_path / name / "evaluations.jsonl").write_text(json.dumps(record) + "\n")
    for anyway in (False, True):
        sentence = headline(table_of(tmp_path, anyway=anyway))
        assert sentence == "Highest precision_random: color p=0.4 with 3.000."


def test_the_baseline_of_a_report_of_a_report_is_that_of_the_same_runs(tmp_path: Path) -> None:
    """All of them are called report.json."""
    merge: list[Path] = []
    for name, baseline in (("a", 50.0), ("b", 100.0), ("c", 80.0)):
        for seed in range(3):
            for label, figure in (("none", baseline), ("bg", baseline - 10)):
                write_run(
                    tmp_path / name / f"{label}{seed}",
                    seed=seed,
                    mode="none" if label == "none" else "fixed",
                    values=(200.0, figure + seed),
                    cell=cell_of(label, seed, baseline=label == "none"),
                )
        report = tmp_path / name / "report.json"
        write_report([tmp_path / name], report, merge=merge)
        merge = [report]
    sentence = headline(parse_table(merge[0].read_text(), "x"))
    assert "bg with 41.00 ± 1.00 over 3 seeds; the baseline, none, has 51.00 ± 1.00" in sentence


def test_seeds_that_failed_are_told_beside_the_figures_of_the_others(tmp_path: Path) -> None:
    for seed in range(3):
        cell = cell_of("none", seed, baseline=True)
        write_run(tmp_path / f"none{seed}", seed=seed, mode="none", values=(20.0, 14.0), cell=cell)
        cell = cell_of("bg", seed)
        if seed:
            cell |= {"status": "failed", "reason": "Training diverged."}
        write_run(tmp_path / f"bg{seed}", seed=seed, preset="bg", values=(20.0, 12.0), cell=cell)
    table = parse_table(write_report([tmp_path], tmp_path / "r.json")[0].read_text(), "r.json")
    assert [(row.label, row.seeds, row.state) for row in table.rows] == [
        ("none", 3, ""),
        ("bg", 3, "2 of 3 failed"),
    ]
    assert headline(table) == (
        "Lowest fd_random: bg with 12.00 over 1 of 3 seeds (2 of 3 failed); the baseline, none, has 14.00 ± 0.00."
        " One seed in common: how sure the difference is cannot be said."
        " Not all runs are finished, so this may change."
    )
    for seed in range(3):
        failed_cell(tmp_path / f"noise{seed}", "diverged")  # a method of which no run has a figure
        shutil.rmtree(tmp_path / f"bg{seed}")
    table = parse_table(write_report([tmp_path], tmp_path / "r.json")[0].read_text(), "r.json")
    assert [(row.label, row.state) for row in table.rows] == [("none", "")]
    assert headline(table).endswith("Not all runs are finished, so this may change.")


def test_a_baseline_says_what_of_it_is_not_finished_where_others_are_held_against_it(
    tmp_path: Path,
) -> None:
    write_grid(tmp_path)
    note = tmp_path / "none1" / "cell.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"status": "failed"}))
    table = parse_table(write_report([tmp_path], tmp_path / "r.json")[0].read_text(), "r.json")
    assert "the baseline, none, has 9.250 ± 0.707 (1 of 3 failed). " in headline(table)


def test_seeds_are_those_of_the_figure_and_not_of_the_row(tmp_path: Path) -> None:
    write_grid(tmp_path)
    for seed in (1, 2):
        (tmp_path / f"bg{seed}" / "metrics.jsonl").unlink()
    sentence = headline(table_of(tmp_path))
    assert sentence.startswith("Lowest fd_random: bg with 5.750 over 1 of 3 seeds")
