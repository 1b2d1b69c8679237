"""What the host decides of a step before its slices are computed: which terms it has, and numbers that move."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from adavit.training.objectives.feature_critic import CriticTerm
from adavit.training.objectives.regularizer import Regularizer
from adavit.training.objectives.schedules import Number


@dataclass(frozen=True)
class StepTerms:
    """The terms of a step. Steps of one kind are the same calculation, of other images, draws and numbers.

    Attributes:
        share: Part of the batch that a slice is.
        due: The regularizers that take part.
        factors: What the value of each of them is multiplied by.
        kept: Images of a slice that the generator learns from; None: all.
        pseudo_p: Probability of a pseudo image; None where there are none.
        critic: The part of the feature critic; None where it takes none.
    """

    share: float
    due: tuple[Regularizer, ...]
    factors: tuple[Number, ...]
    kept: int | None = None
    pseudo_p: Number | None = None
    critic: CriticTerm | None = None

    @property
    def kind(self) -> Hashable:
        """Equal for steps that are the same calculation."""
        critic = None if self.critic is None else self.critic.teaches_generator
        names = tuple(regularizer.name for regularizer in self.due)
        return self.share, names, self.kept, self.pseudo_p is None, critic

    @property
    def numbers(self) -> list[Number]:
        """Those that move."""
        pseudo = [] if self.pseudo_p is None else [self.pseudo_p]
        critic = [] if self.critic is None else [self.critic.weight]
        return [*self.factors, *pseudo, *critic]

    def with_numbers(self, numbers: Sequence[Number]) -> "StepTerms":
        """The same terms with others in their places."""
        rest = iter(numbers)
        factors = tuple(next(rest) for _ in self.factors)
        pseudo = None if self.pseudo_p is None else next(rest)
        critic = None if self.critic is None else replace(self.critic, weight=next(rest))
        return replace(self, factors=factors, pseudo_p=pseudo, critic=critic)
