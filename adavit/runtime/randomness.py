"""Random streams that are a function of (seed, purpose, number).

After edm2's set_random_seed(seed, rank, cur_nimg) in training/training_loop.py. One stream per
purpose (data, latents, augmentation, ...) and one number per draw (images seen): what one part of a
run draws never shifts what another part draws, and a resumed run draws what an uninterrupted one
would have drawn.
"""

import hashlib

import torch


def seed_for(seed: int, purpose: str, number: int) -> int:
    """Seed of one stream at one moment.

    Args:
        seed: The run's seed, any integer.
        purpose: What is drawn, in a word or two, e.g. "latents". Streams of different purposes are
            independent.
        number: The moment, usually the number of images seen or the epoch.

    Returns:
        The first 63 bits of the SHA-256 of "seed/purpose/number", so neighbouring numbers share
        nothing.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_for(
    seed: int, purpose: str, number: int, device: torch.device | str = "cpu"
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

    Returns:
        A generator on `device`, seeded with `seed_for(seed, purpose, number)`.
    """
    generator = torch.Generator(device=device)
    generator.manual_seed(seed_for(seed, purpose, number))
    return generator
