"""`adavit evaluate`."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for
from adavit.evaluation.protocol import PROTOCOLS
from adavit.metrics.extractors.names import EXTRACTORS, check_extractor
from adavit.metrics.names import METRICS, check_names
from adavit.runs.records import check_writable, write_record

PROTOCOL_HELP = "; ".join(f"{row.name}: {row.meaning}" for row in PROTOCOLS.values())

HELP = """
Score SOURCE: a run, a generator file, a folder or zip of images, or the name of a set.

Prints a table of figures, with what real images score beside them; --json prints the record, with
the protocol they were measured under. A run keeps the record in its evaluations.jsonl;
`adavit compare` puts records side by side.

\b
adavit evaluate runs/00000-small_set-resnet-bgc
adavit evaluate runs/00003-cifar10-resnet-bgc --protocol train50k
adavit evaluate drawn --data my_photos --metrics kid,precision,recall

The names fid, kid, is and fid_infinity are kept for Inception; precision, recall, density and
coverage for vgg16; ppl for lpips-vgg16. With any other feature network the names are fd_random,
kid_dinov2-vit-l-14, precision_inception, ... and compare with nothing else. Lower is better for fid,
kid and ppl, higher for the others. Published weights are downloaded when missing.

Of small_set the feature network is drawn, which knows its drawings alone: beside fd_drawn and kid_drawn
stand recognised, the share of images in which one of the ten kinds is recognised; kinds, how many of them are; and
modes, the share of their places, sizes, directions and colours that occur.

Beside fid, kid, precision, recall and these three the record has what real images score:
..._floor, held-out images; ..._at_floor, as few generated ones, against the same; ..._training,
the images trained on against the others, where a part was trained on; ..._halves, one half of the real
images against the other. Few images score worse than many.

Of a run whose discriminator saw a pretrained network (--features), and of images that it drew, figures in
related features are flattered; those of random features are measured beside them, and come first unless
--extractor says otherwise.
"""


@click.command(help=HELP)
@click.argument("source", shell_complete=completion.runs)
@click.option(
    "--data",
    shell_complete=completion.data,
    help="What to compare with: images, a name, a run or a generator.  [default: the run's data]",
)
@click.option(
    "--metrics",
    default="fid,kid",
    show_default=True,
    callback=options.words,
    help=f"What is measured, with commas between: {', '.join(METRICS)}. kid brings kid_subsets with it.",
    shell_complete=partial(completion.choices, METRICS),
    metavar="NAME,...",
)
@click.option(
    "--protocol",
    type=click.Choice(list(PROTOCOLS)),
    metavar="NAME",
    help=f"How many images are compared with which. {PROTOCOL_HELP}.",
)
@click.option(
    "--fakes",
    type=click.IntRange(min=2),
    help="Number of generated images.  [default: as in training]",
)
@click.option(
    "--extractor",
    default="auto",
    show_default=True,
    metavar="NAME",
    help=f"Feature network: one of {', '.join(EXTRACTORS)}. FILE is a state dict.",
    shell_complete=partial(completion.choices, EXTRACTORS),
)
@options.inception_weights
@options.which
@options.truncation
@options.seed
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="JSON file that the record is written to as well.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON, for scripts.")
@options.data_root
@options.reading
@options.device
@amount
def command(source: str, as_json: bool, **given: Any) -> None:
    """Parses, evaluates, prints the table or the record."""
    check_names(given["metrics"])
    check_extractor(given["extractor"])
    from adavit.evaluation.evaluate import evaluate
    from adavit.evaluation.summary import summarise_evaluation

    out = given.pop("out")
    reading = {key: given.pop(f"data__{key}") for key in ("frames", "scale_16bit", "follow_links")}
    given["reading"] = {key: value for key, value in reading.items() if value is not None}
    if out is not None:
        check_writable(out)
    with console_for(err=True) as console:
        record = evaluate(source, console=console, **given)
    click.echo(json.dumps(record, indent=2) if as_json else summarise_evaluation(record))
    if out is not None:
        sys.stdout.flush()
        write_record(out, record)  # last: a disk that is full takes no figure with it
