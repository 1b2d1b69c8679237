"""Run directories written by code, as `adavit train` would leave them: small, with known figures; and their table."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from adavit.generation.grid import image_grid
from adavit.report.run import collect_runs
from adavit.report.seed_groups import group_runs
from adavit.report.table import Table
from adavit.report.tabulation import build_table
from adavit.runtime.files import mark_results

RESOLUTION = 16
PROTOCOL = {
    "extractor": "random",
    "weights_digest": "c45612c2",
    "n_fake": 100,
    "n_real": 500,
    "n_heldout": 50,
    "reference": "squares",
    "resolution": RESOLUTION,
    "versions": {"torch": "2.15.0"},
    "truncation": 1.0,
}


def write_run(
    path: Path,
    *,
    seed: int = 0,
    mode: str = "fixed",
    preset: str = "bgc",
    p: float | None = 0.4,
    values: tuple[float, ...] = (20.0, 10.0, 8.0, 9.0),
    kimg: int = 30,
    settings: dict[str, dict[str, Any]] | None = None,
    cell: dict[str, Any] | None = None,
    protocol: dict[str, Any] | None = None,
    gap: float = 1.0,
    lines: int = 31,
    started: str | None = None,
) -> Path:
    """A finished run with `values` of fd_random, evenly spread over `kimg`."""
    path.mkdir(parents=True)
    mark_results(path)
    config: dict[str, dict[str, Any]] = {
        "data": {"source": "/data/squares.zip", "resolution": RESOLUTION, "subset": 100},
        "augment": {"mode": mode, "preset": preset, "p": p, "heuristic": "rt"},
        "discriminator": {"kind": "resnet", "channel_max": 64},
        "training": {"total_kimg": float(kimg), "batch": 8, "discriminator_lr": 0.0025},
        "metrics": {"names": ["fid"], "every_kimg": 10.0, "patience_kimg": None},
        "run": {"out": str(path), "seed": seed, "status_every_kimg": 1.0},
    }
    for section, changed in (settings or {}).items():
        config[section] = config.get(section, {}) | changed
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    _write_json(path / "data.json", {
        "source": "/data/squares.zip", "name": "squares", "fingerprint": "ab" * 32, "images": 500,
        "training_images": 100, "heldout_images": 50, "resolution": RESOLUTION,
    })  # fmt: skip
    _write_json(
        path / "environment.json",
        {
            **({} if started is None else {"started": started}),
            "device": "cpu",
            "processor": "x86_64",
            "packages": {"adavit": "0.1.0", "torch": "2.15.0"},
        },
    )
    if cell is not None:
        _write_json(path / "cell.json", cell)
    _write_lines(path / "metrics.jsonl", [
        {"images": images, "fd_random": value, "fd_random_floor": 1.5, "kid_random": value / 100,
         "protocol": {**PROTOCOL, "seed": seed, **(protocol or {})}, "seconds": 1.0}
        for images, value in zip(_even(kimg, len(values)), values, strict=True)
    ])  # fmt: skip
    rng = np.random.default_rng(seed)
    stats = []
    for index, images in enumerate(_even(kimg, lines)):
        train = 2 * index / lines + 0.05 * rng.standard_normal()
        stats.append({
            "images": images, "p": (p or 0.0) if mode != "none" else 0.0, "r_t": 0.5 * index / lines, "r_v": None,
            "logits_train": train, "logits_heldout": train - gap, "logits_fake": -train, "seconds": images / 200,
        })  # fmt: skip
    _write_lines(path / "stats.jsonl", stats)
    write_samples(path / "samples", kimg=kimg, count=len(values), seed=seed)
    return path


IMAGENET = {"extractor_learned_from": "ImageNet"}
SAW = {"discriminator_saw": ["torchvision:resnet18 0123456789ab"]}
"""Of a protocol: what the extractor learned from, and a network that flatters its figures then."""


def write_mixed(folder: Path) -> Path:
    """A run without and one with pretrained features, measured in related features; the second has lower figures."""
    write_run(folder / "plain", preset="bg", protocol=IMAGENET)
    low = (10.0, 5.0, 4.0, 4.5)
    write_run(folder / "marked", preset="color", values=low, protocol=IMAGENET | SAW)
    return folder


def write_samples(
    folder: Path, *, kimg: int, count: int, seed: int, resolution: int = RESOLUTION
) -> None:
    """Grids as `adavit.training.samples` lays them out, a different one for each time."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 256, (64, 3))
    _grid(folder / "reals.png", np.random.default_rng(99).integers(0, 256, (64, 3)), resolution)
    for index, images in enumerate(_even(kimg, count)):
        shade = (colours * (index + 1) / count).astype(np.uint8)
        _grid(folder / f"{images // 1000:06d}kimg.png", shade, resolution)


def failed_cell(path: Path, reason: str, label: str = "noise") -> Path:
    """A cell that failed before it became a run."""
    path.mkdir(parents=True)
    _write_json(
        path / "cell.json",
        {
            "grid": "groups",
            "cell": path.name,
            "axes": {"augmentation": label, "run.seed": 3},
            "label": label,
            "baseline": False,
            "status": "failed",
            "reason": reason,
        },
    )
    return path


def cell_of(
    label: str, seed: int, *, grid: str = "groups", baseline: bool = False, **axes: Any
) -> dict[str, Any]:
    """The content of a finished cell's `cell.json`."""
    return {
        "grid": grid,
        "cell": f"{label}{seed}",
        "axes": {"augmentation": label, **axes, "run.seed": seed},
        "label": label,
        "baseline": baseline,
        "status": "finished",
        "reason": None,
    }


def write_sizes(folder: Path, missing: str = "") -> Path:
    """Three seeds of two methods on two numbers of images, `none` the baseline of each; fewer images are better here.

    Args:
        folder: Where they go.
        missing: A cell of which there is no run, such as "none 100".
    """
    for size, easier in ((100, 0.0), (1000, 10.0)):
        for label, figure in (("none", 30.0), ("bg", 25.0)):
            for seed in range(3) if f"{label} {size}" != missing else ():
                cell = cell_of(label, seed, baseline=label == "none", size=size) | {
                    "label": f"{label} {size}",
                    "cell": f"{label}{size}-{seed}",
                    "compared_with": f"none{size}-{seed}",
                }
                write_run(
                    folder / f"{label}{size}-{seed}",
                    seed=seed,
                    mode="none" if label == "none" else "fixed",
                    values=(90.0, figure + easier + seed),
                    settings={"data": {"subset": size}},
                    cell=cell,
                )
    return folder


def write_grid(folder: Path, seeds: int = 3) -> Path:
    """An ablation of three cells, their figures known: `FIGURES` plus half the seed."""
    for label, figure in FIGURES.items():
        for seed in range(seeds):
            last = figure + 0.5 * seed
            write_run(
                folder / f"{label}{seed}",
                seed=seed,
                mode="none" if label == "none" else "fixed",
                preset="bgc" if label == "none" else label,
                p=None if label == "none" else 0.4,
                values=(20.0, (20 + last) / 2, last - 0.25, last),
                cell=cell_of(label, seed, baseline=label == "none"),
                gap=figure / 4,
            )
    return folder


def table_of(folder: Path, *, anyway: bool = False) -> Table:
    """The table of the runs below a folder; `anyway` as for `build_table`."""
    runs = collect_runs([folder])
    failed = [run for run in runs if run.status == "failed"]
    return build_table(
        group_runs([run for run in runs if run.status != "failed"]), failed, anyway=anyway
    )


FIGURES = {"none": 9.0, "bg": 6.0, "color": 8.0}
"""Last fd_random of seed 0; the best is a quarter lower."""


def _even(kimg: int, count: int) -> list[int]:
    return [round(1000 * kimg * index / (count - 1)) for index in range(count)]


def _grid(path: Path, colours: np.ndarray, resolution: int) -> None:
    tiles = torch.from_numpy(colours.astype(np.uint8))[:, :, None, None]
    image_grid(tiles.expand(-1, -1, resolution, resolution)).save(path)


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values))


def _write_lines(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
