"""Which steps are the same calculation."""

from dataclasses import replace

from adavit.training.objectives.feature_critic import CriticTerm
from adavit.training.objectives.gradient_penalties import Drift, ExactPenalty
from adavit.training.step.terms import StepTerms

DUE = (Drift(1), ExactPenalty("r1", "real", 1, 2))
TERMS = StepTerms(0.5, DUE, (1.0, 2.0), None, 0.25, CriticTerm(0.5, teaches_generator=True))


def test_numbers_that_move_make_no_other_kind() -> None:
    assert TERMS.numbers == [1.0, 2.0, 0.25, 0.5]
    moved = TERMS.with_numbers([3.0, 4.0, 5.0, 6.0])
    assert moved.numbers == [3.0, 4.0, 5.0, 6.0]
    assert moved.kind == TERMS.kind
    alone = replace(TERMS, pseudo_p=None, critic=None)
    assert alone.with_numbers([3.0, 4.0]).numbers == [3.0, 4.0]


def test_what_takes_part_makes_the_kind() -> None:
    others = [
        replace(TERMS, share=1.0),
        replace(TERMS, due=DUE[:1], factors=(1.0,)),
        replace(TERMS, kept=3),
        replace(TERMS, pseudo_p=None),
        replace(TERMS, critic=None),
        replace(TERMS, critic=CriticTerm(0.0, teaches_generator=False)),
    ]
    assert len({TERMS.kind, *(terms.kind for terms in others)}) == 7
