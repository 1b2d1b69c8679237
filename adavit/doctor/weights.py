"""Published weights on the disk: those that figures are measured with, and what else lies beside them."""

from collections.abc import Iterator

from adavit.doctor.finding import Finding, State
from adavit.errors import UserError
from adavit.features.on_disk import networks_here
from adavit.metrics.extractors.fidelity import VGG16_WEIGHTS
from adavit.metrics.extractors.inception import INCEPTION_WEIGHTS
from adavit.metrics.extractors.lpips import LPIPS_WEIGHTS
from adavit.metrics.extractors.weight_files import WeightFile, WeightsAbsentError, weights_folder
from adavit.metrics.names import METRICS, REFERENCE_EXTRACTORS
from adavit.runtime.wording import listed

MEASURED = {"inception": INCEPTION_WEIGHTS, "vgg16": VGG16_WEIGHTS, "lpips-vgg16": LPIPS_WEIGHTS}
"""Files by extractor."""


def examine_weights() -> Iterator[Finding]:
    """Those of the metrics' extractors, and networks for --features; nothing is downloaded."""
    for extractor, file in MEASURED.items():
        yield _file(extractor, file)
    networks, folder = networks_here(), weights_folder()
    found = f"For --features without a download: {listed(networks) or 'none'}, in {folder} (TORCH_HOME moves it)."
    yield Finding("networks", "ok", found, facts={"networks": networks, "path": str(folder)})


def _file(extractor: str, file: WeightFile) -> Finding:
    needed = ", ".join(name for name in METRICS if REFERENCE_EXTRACTORS[name] == extractor)
    facts = {"path": str(file.location), "url": file.url, "metrics": needed}
    if extractor == "vgg16":  # what is left to adavit takes Inception for all of them
        needed += " with --extractor vgg16"
    name = f"{file.network} weights"
    try:
        file.find(allow_download=False)
    except WeightsAbsentError:
        instead = " Where that fails a random network measures." * (extractor == "inception")
        given = f", or give it with {file.named_as}" if file.named_as else ""
        return Finding(
            name,
            "note",
            f"Not at {file.location}; downloaded when it is needed, for {needed}.{instead}",
            f"Offline: fetch {file.url} and place it there{given}.",
            {**facts, "there": False},
        )
    except UserError as error:
        # What a run measures with unless it is told otherwise is Inception, see `choose_extractor`.
        state: State = "problem" if extractor == "inception" else "note"
        found = f"{error} It is for {needed}."
        return Finding(name, state, found, f"Remove {file.location}.", facts)
    return Finding(name, "ok", f"{file.location}, for {needed}.", facts={**facts, "there": True})
