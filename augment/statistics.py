"""How much the discriminator overfits, measured on its logits.

Karras et al. 2020 (arXiv:2006.06676), section 3, equation 1, and the form for relativistic losses. All logits
are of augmented images: D(T(x)), with T at the present p and its own draws for training, held-out and
generated images.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

_NAMES = (
    "train_sum",
    "train_sign_sum",
    "train_count",
    "generated_sum",
    "generated_count",
    "heldout_sum",
    "heldout_count",
    "pair_sign_sum",
    "pair_count",
)

LEAST_GAP = 1e-8
"""What r_v divides by where training images have no higher logits than generated ones."""


class OverfittingStatistics:
    """Running sums over the minibatches of one interval.

    Nothing is read on the host until a property is asked for.

    Attributes:
        sums: [9], float64, on the device of the logits. Sums over processes are sums of these tensors, so
            `torch.distributed.all_reduce(statistics.sums)` makes the statistics those of all processes.
    """

    sums: Tensor

    def __init__(self) -> None:
        self.sums = torch.zeros(len(_NAMES), dtype=torch.float64)

    def observe(
        self,
        *,
        train: Tensor,
        generated: Tensor,
        heldout: Tensor | None = None,
        counted: Tensor | None = None,
        made: Tensor | None = None,
    ) -> None:
        """Add the logits of a minibatch.

        Args:
            train: Logits of training images, any shape with at least one element, one logit per image.
            generated: Logits of generated images.
            heldout: Logits of images that are not trained on, or None when the minibatch has none.
            counted: Which of `train` count, bool like them; None: all.
            made: Whether the minibatch counts, bool 0-d on the device; None: it does.
        """
        train, generated = (logits.detach().double().flatten() for logits in (train, generated))
        signs, pairs = _sign(train), _sign(train[:, None] - generated)
        count, pair_count = _count(train), _count(pairs)
        if counted is not None:
            # Not left out by the mask: how many stay would have to be known on the host.
            left_out = ~counted.flatten()
            train, signs = train.masked_fill(left_out, 0), signs.masked_fill(left_out, 0)
            pairs = pairs.masked_fill(left_out[:, None], 0)
            count = counted.sum().double()
            pair_count = count * generated.numel()
        added = [train.sum(), signs.sum(), count]
        added += [generated.sum(), _count(generated)]
        if heldout is None:
            added += [torch.zeros_like(added[0])] * 2
        else:
            heldout = heldout.detach().double().flatten()
            added += [heldout.sum(), _count(heldout)]
        added += [pairs.sum(), pair_count]
        total = torch.stack(added)
        if made is not None:
            total = total.masked_fill(~made, 0)
        self.sums = self.sums.to(train.device) + total

    def merge(self, other: OverfittingStatistics) -> None:
        """Add the sums of another, for example those of another process."""
        self.sums = self.sums + other.sums.to(self.sums.device)

    def reset(self) -> None:
        """Forget all logits."""
        self.sums = torch.zeros_like(self.sums)  # where they are: to bring others there would wait

    def values(self) -> dict[str, float]:
        """All statistics by name, with one transfer to the host.

        Returns:
            The properties of this class: `r_t`, `r_v`, `r_relative`, `mean_train`, `mean_generated` and
            `mean_heldout`, nan where undefined; and `train_count` and `generated_count`, the logits that count.
        """
        total = dict(zip(_NAMES, self.sums.tolist(), strict=True))
        mean_train = _ratio(total["train_sum"], total["train_count"])
        mean_generated = _ratio(total["generated_sum"], total["generated_count"])
        mean_heldout = _ratio(total["heldout_sum"], total["heldout_count"])
        # max(nan, .) depends on the order of its arguments, hence the condition.
        gap = mean_train - mean_generated
        gap = gap if math.isnan(gap) else max(gap, LEAST_GAP)
        return {
            "r_t": _ratio(total["train_sign_sum"], total["train_count"]),
            "r_v": (mean_train - mean_heldout) / gap,
            "r_relative": _ratio(total["pair_sign_sum"], total["pair_count"]),
            "mean_train": mean_train,
            "mean_generated": mean_generated,
            "mean_heldout": mean_heldout,
            "train_count": total["train_count"],
            "generated_count": total["generated_count"],
        }

    @property
    def r_t(self) -> float:
        """E[sign(D(x_train))], in [-1, 1]. Means something only where 0 is the threshold of D."""
        return self.values()["r_t"]

    @property
    def r_v(self) -> float:
        """(E[D(x_train)] - E[D(x_val)]) / (E[D(x_train)] - E[D(G(z))]): 0 no, 1 complete overfitting.

        The denominator is guarded: at least `LEAST_GAP`. Not changed by a shift of all logits. nan without held-out
        logits.
        """
        return self.values()["r_v"]

    @property
    def r_relative(self) -> float:
        """E[sign(D(x) - D(G(z)))] over all pairs of a minibatch, in [-1, 1], for relativistic losses."""
        return self.values()["r_relative"]

    @property
    def mean_train(self) -> float:
        """Mean logit of the training images."""
        return self.values()["mean_train"]

    @property
    def mean_generated(self) -> float:
        """Mean logit of the generated images."""
        return self.values()["mean_generated"]

    @property
    def mean_heldout(self) -> float:
        """Mean logit of the held-out images; nan without any."""
        return self.values()["mean_heldout"]

    def state_dict(self) -> dict[str, Any]:
        """The sums, on the CPU."""
        return {"sums": self.sums.cpu().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; ValueError if it is not that."""
        if not isinstance(state.get("sums"), Tensor) or state["sums"].shape != (len(_NAMES),):
            raise ValueError(f"sums are {state.get('sums')!r}, but must be {len(_NAMES)} numbers.")
        self.sums = state["sums"].to(torch.float64).clone()


def _count(values: Tensor) -> Tensor:
    """Number of values, as a tensor beside them."""
    return torch.full((), float(values.numel()), dtype=torch.float64, device=values.device)


def _sign(values: Tensor) -> Tensor:
    """Sign of each value, 0 for 0, and nan for what is not finite: torch.sign would say 0 or 1 of it."""
    return values.sign() + 0 * values


def _ratio(total: float, count: float) -> float:
    """Mean, or nan of nothing."""
    return total / count if count else math.nan
