import hashlib

import torch

from adavit.runtime.randomness import generator_for, seed_for


def test_seed_is_the_first_63_bits_of_the_digest() -> None:
    digest = hashlib.sha256(b"7/latents/4096").hexdigest()
    assert seed_for(7, "latents", 4096) == int(digest[:16], 16) >> 1


def test_a_part_of_a_batch_has_a_seed_of_its_own_but_the_first() -> None:
    digest = hashlib.sha256(b"7/latents/4096/3").hexdigest()
    assert seed_for(7, "latents", 4096, slice_number=3) == int(digest[:16], 16) >> 1
    assert seed_for(7, "latents", 4096, slice_number=0) == seed_for(7, "latents", 4096)
    drawn = torch.rand(3, generator=generator_for(7, "latents", 4096, slice_number=3))
    expected = torch.Generator().manual_seed(seed_for(7, "latents", 4096, 3))
    assert torch.equal(drawn, torch.rand(3, generator=expected))


def test_seed_is_pinned_because_runs_resume_across_versions() -> None:
    assert seed_for(0, "data", 0) == 2740297886984710817


def test_seeds_fit_a_signed_64_bit_integer() -> None:
    seeds = [seed_for(seed, "data", number) for seed in (-1, 0, 2**80) for number in range(50)]
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert len(set(seeds)) == len(seeds)


def test_seed_changes_with_each_of_its_three_parts() -> None:
    assert (
        len({seed_for(0, "data", 1), seed_for(1, "data", 1), seed_for(0, "latents", 1)})
        == len({seed_for(0, "data", number) for number in (1, 2, 11)})
        == 3
    )


def test_generators_of_the_same_stream_draw_the_same_numbers() -> None:
    first = torch.randn(5, generator=generator_for(0, "latents", 64, "cpu"))
    torch.manual_seed(99)
    again = torch.randn(5, generator=generator_for(0, "latents", 64, torch.device("cpu")))
    other = torch.randn(5, generator=generator_for(0, "latents", 65, "cpu"))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_generator_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    torch.randn(5, generator=generator_for(0, "latents", 0, "cpu"))
    assert torch.equal(before, torch.get_rng_state())
