"""Random streams that are a function of (seed, purpose, number).

After edm2's set_random_seed(seed, rank, cur_nimg) in training/training_loop.py. One stream per
purpose (data, latents, augmentation, ...) and one number per draw (images seen): what one part of a
run draws never shifts what another part draws, and a resumed run draws what an uninterrupted one
would have drawn.
"""

import hashlib

import torch


def seed_for(seed: int, purpose: str, number: int, slice_number: int = 0) -> int:
    """Seed of one stream at one moment.

    Args:
        seed: The run's seed, any integer.
        purpose: What is drawn, in a word or two, e.g. "latents". Streams of different purposes are
            independent.
        number: The moment, usually the number of images seen or the epoch.
        slice_number: Part of a batch, where each part draws for itself.

    Returns:
        The first 63 bits of the SHA-256 of "seed/purpose/number", or from the second part on of
        "seed/purpose/number/slice_number", so neighbouring numbers share nothing.
    """
    key = f"{seed}/{purpose}/{number}" + (f"/{slice_number}" if slice_number else "")
    digest = hashlib.sha256(key.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_for(
    seed: int,
    purpose: str,
    number: int,
    device: torch.device | str = "cpu",
    *,
    slice_number: int = 0,
) -> torch.Generator:
    """A fresh generator for one stream at one moment.

    Torch's generator on the CPU keeps the lower 32 bits of a seed, those on accelerators all of
    them; the digest's bits are all equally good, so either is enough.

    Args:
        seed: The run's seed, any integer.
        purpose: What is drawn, as in `seed_for`.
        number: The moment, as in `seed_for`.
        device: Where the numbers will be drawn. The same seed gives other numbers on another kind
            of device.
        slice_number: As in `seed_for`.

    Returns:
        A generator on `device`, seeded with `seed_for(seed, purpose, number, slice_number)`.
    """
    generator = torch.Generator(device=device)
    generator.manual_seed(seed_for(seed, purpose, number, slice_number))
    return generator
