import re
from pathlib import Path

from tests.cli.conftest import Adavit

TINY = """
name: tiny
base:
  generator: {latent_dim: 8, style_dim: 8, channel_base: 64, channel_max: 8}
  discriminator: {kind: vit, width: 16, heads: 2, depth: 1}
  training: {total_kimg: 0.032, batch: 8}
  metrics: {extractor: random, fakes: 20}
search:
  training.r1_gamma: {low: 0.01, high: 10, log: true}
trials: 5
"""


def test_a_sweep_is_run_and_its_best_named(adavit: Adavit, pictures: Path) -> None:
    Path("tiny.yaml").write_text(TINY)
    outcome = adavit("sweep", "tiny.yaml", "--data", pictures, "--trials", 2, "--metric", "kid")
    assert outcome.code == 0, outcome.err
    assert "Sweep tiny: 2 runs in runs/sweeps/tiny, lowest kid_random wins." in outcome.out
    assert "kid_random" in outcome.out
    best = re.search(r"--set training.r1_gamma=([\d.e-]+)$", outcome.out.strip())
    assert best is not None
    assert len(best[1].replace(".", "").strip("0")) <= 4


def test_wrong_flags_are_named_in_one_line(adavit: Adavit, pictures: Path) -> None:
    Path("tiny.yaml").write_text(TINY)
    for arguments, message in [
        (["absent"], "'absent' is neither a file nor a shipped sweep"),
        (["tiny.yaml", "--metric", "is"], "--metric is 'is', but metrics.names is fid,kid"),
        (["tiny.yaml", "--trials", "0"], "--trials"),
        (["tiny.yaml", "--set", "training.r1_gamma=1"], "searches for it"),
    ]:
        outcome = adavit("sweep", *arguments)
        assert outcome.code == 2, arguments
        assert message in outcome.err, outcome.err
