"""Evaluation protocols by name: how many generated images are compared with which real ones.

A row of data each. A figure is worth something only beside others of the same protocol, so what a
protocol sets cannot be set otherwise at the same time.
"""

from dataclasses import dataclass
from typing import Literal

from adavit.errors import UserError

Against = Literal["training set", "test split", "data", "trained on"]


@dataclass(frozen=True)
class Protocol:
    """How many generated images against what.

    Attributes:
        name: As in `--protocol`.
        fakes: Generated images.
        against: "training set": all images of the run's data, also those it was not trained on;
            "test split": the other split of that data; "data": all of `--data`; "trained on": the
            images the run was trained on, without flips.
        meaning: In words, for the help.
    """

    name: str
    fakes: int
    against: Against
    meaning: str


PROTOCOLS = {
    row.name: row
    for row in (
        Protocol("train50k", 50_000, "training set", "50,000 fakes against all training images"),
        Protocol("test10k", 10_000, "test split", "10,000 against the test split"),
        Protocol("quick5k", 5_000, "data", "5,000 against all of --data"),
        Protocol("fewshot5k", 5_000, "trained on", "5,000 against the images trained on"),
    )
}
"""Protocols by name."""


def find_protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        UserError: If there is none.
    """
    if name not in PROTOCOLS:
        raise UserError(
            f"--protocol is {name!r}, expected one of {', '.join(PROTOCOLS)}. Use one of these, or"
            " --fakes and --data."
        )
    return PROTOCOLS[name]


def fakes_of(protocol: Protocol | None, fakes: int | None) -> int | None:
    """How many generated images a protocol and `--fakes` ask for together; None leaves it open.

    Raises:
        UserError: If they disagree.
    """
    if protocol is None:
        return fakes
    if fakes not in (None, protocol.fakes):
        raise UserError(
            f"--fakes is {fakes}, but --protocol {protocol.name} means {protocol.fakes} generated"
            " images. Leave one of the two out."
        )
    return protocol.fakes
