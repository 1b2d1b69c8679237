"""What to say where memory ran out: each command has its own remedies."""

from collections.abc import Mapping, Sequence

GOES_ON: Mapping[str, str] = {
    "train": "A smaller --microbatch needs less, or take a device or a machine with more memory (--device).",
    "pretrain": (
        "It goes on with the settings that it began with: take a device or a machine with more memory (--device)."
    ),
}
"""Of what is resumed, by command."""

ADVICE: Mapping[str, str] = {
    "train": "A smaller --microbatch or --batch, a lower --resolution or smaller networks need less.",
    "pretrain": (
        "A smaller --batch, a lower --resolution or a smaller network (--set discriminator.width=64) need less."
    ),
    "generate": "Without --grid one image is held at a time; --device cpu takes the machine's memory.",
    "evaluate": "Fewer --fakes need less; --device cpu takes the machine's memory.",
    "memorisation": "Fewer --fakes need less; --device cpu takes the machine's memory.",
    "leaks": "Fewer --fakes need less; --device cpu takes the machine's memory.",
    "inspect": "Fewer --images need less; --device cpu takes the machine's memory.",
    "ablate": "Fewer --workers, or --set training.microbatch=4 and --set data.resolution=32, need less.",
    "sweep": "Fewer --workers, or --set training.microbatch=4 and --set data.resolution=32, need less.",
    "augment": "A lower --resolution needs less.",
}
"""By command; the others hold little."""


def out_of_memory(arguments: Sequence[str]) -> str:
    """One line of what was wrong, what was expected and what to do.

    Args:
        arguments: Of the program, the command first.
    """
    command = arguments[0] if arguments else ""
    resumed = any(argument.partition("=")[0] == "--resume" for argument in arguments)
    advice = (GOES_ON if resumed else ADVICE).get(command, "")
    line = (
        "out of memory. Expected room for what the command holds at a time; close other programs."
    )
    return f"{line} {advice}".rstrip()
