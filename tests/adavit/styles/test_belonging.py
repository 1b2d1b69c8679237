from dataclasses import replace
from pathlib import Path

from adavit.styles.belonging import belongs_to, styles_digest
from tests.stored_generators import stored_generator


def test_the_digest_changes_with_what_makes_or_reads_styles(tmp_path: Path) -> None:
    generator = stored_generator(tmp_path).generator
    before = styles_digest(generator)
    generator.synthesis.constant.data += 1
    generator.synthesis.silence()
    assert styles_digest(generator) == before
    generator.synthesis.blocks[1].to_image.affine.bias.data += 1
    changed = styles_digest(generator)
    generator.mapping.layers[0].weight.data += 1
    assert len({before, changed, styles_digest(generator)}) == 3


def test_what_was_found_in_a_generator_belongs_to_it_and_to_those_tuned_from_it(
    tmp_path: Path,
) -> None:
    stored, other = stored_generator(tmp_path), stored_generator(tmp_path, seed=1)
    digest = styles_digest(stored.generator)
    assert belongs_to(digest, stored)
    assert not belongs_to(digest, other)
    assert belongs_to(digest, replace(other, tuned_from=digest))
