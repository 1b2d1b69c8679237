"""What `--device` takes, known without torch."""

from adavit.errors import UserError, shown

DEVICES = ("auto", "cpu", "cuda")
"""auto is cuda where there is one, else cpu."""


def refuse_mps(name: object, given: str) -> None:
    """Says why Apple's GPUs are not among `DEVICES`.

    Args:
        name: As it was given.
        given: Where, such as "--device".

    Raises:
        UserError: If it is "mps".
    """
    if name == "mps":
        raise UserError(
            f"{given} is 'mps', which has no float64: images are warped and logits are summed in it."
            f" Expected one of: {', '.join(DEVICES)}. Use cpu."
        )


def checked_device(name: str, given: str) -> str:
    """The name, if it is one of `DEVICES`.

    Args:
        name: As it was given.
        given: As for `refuse_mps`.

    Raises:
        UserError: If it is not.
    """
    refuse_mps(name, given)
    if name not in DEVICES:
        several = " CUDA_VISIBLE_DEVICES=1 before the command takes the second of several."
        raise UserError(
            f"{given} is {shown(name)}, expected one of: {', '.join(DEVICES)}. Use one of them."
            f"{several if str(name).startswith('cuda') else ''}"
        )
    return name
