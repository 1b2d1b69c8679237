"""What the files of a published generator are called."""

from adavit.runs.hub import HUB_GENERATOR

GENERATOR = HUB_GENERATOR
CARD, SAMPLES, FACTS = "README.md", "samples.png", "adavit.json"
DIGEST = "weights_digest"
"""Entry of `FACTS` that says which weights a card is of."""

DIGESTS = {CARD: "page_digest", SAMPLES: "samples_digest"}
"""Entries of `FACTS` by which a page and a picture are known that nobody has changed."""

CARD_FOLDER = "card"
"""Beside the generator file, unless another one is named."""

HUB_NAME = "hub:USER/NAME"
"""Stands in a card for the name that it is published under."""
