"""Layer norm (Ba et al. 2016, arXiv:1607.06450) and RMS norm (arXiv:1910.07467), with cheap second derivatives.

With x^ = (x - mean) / std the first derivative is the symmetric matrix J = (I - 1 1^T / D - x^ x^T / D) / std. The
gradient of v^T J u at x is then -[(v x^) J u + (u x^) J v + (v J u) x^] / (D std): two calls of PyTorch's kernel and a
dozen others, where PyTorch's own second derivative is some sixty: half of the kernels of a ViT's step with R1. RMS
norm has neither mean nor 1 1^T; the rest is the same.
"""

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from adavit.augment.devices import is_accelerator
from adavit.models.convolution import is_differentiated_twice, weight_gradients_wanted
from adavit.models.prepared_weights import Used, prepared
from adavit.runtime.precision import full_precision


class LayerNorm(nn.LayerNorm):
    """The layer of torch, over the last axis."""

    def uses(self) -> Iterable[Used]:
        """See `Prepared`."""
        return [Used(parameter, 1.0, autocast=False) for parameter in self.parameters()]

    def forward(self, tokens: Tensor) -> Tensor:
        """Maps tokens [..., D] to tokens of mean 0 and variance 1 over D, times the weight, plus the bias."""
        weight, bias = prepared(self.weight), prepared(self.bias)
        if not is_differentiated_twice():
            return F.layer_norm(tokens, self.normalized_shape, weight, bias, self.eps)
        result: Tensor = _LayerNorm.apply(full_precision(tokens), weight, bias, self.eps)
        return result


class RMSNorm(nn.RMSNorm):
    """The layer of torch, over the last axis and in float32 under autocast too."""

    def uses(self) -> Iterable[Used]:
        """See `Prepared`."""
        yield Used(self.weight, 1.0, autocast=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """Maps vectors [..., D] to vectors of mean square 1 over D, times the weight, in their own type."""
        assert self.eps is not None
        normalised = over_root_mean_square(vectors, self.eps) * prepared(self.weight)
        return normalised.to(vectors.dtype)


def over_root_mean_square(vectors: Tensor, eps: float) -> Tensor:
    """Vectors [..., D] over sqrt(mean of squares over D + eps), in float32; float64 stays."""
    if torch.compiler.is_compiling() or (
        is_accelerator(vectors.device) and not is_differentiated_twice()
    ):  # which has one kernel for each direction
        return F.rms_norm(full_precision(vectors), vectors.shape[-1:], eps=eps)
    result: Tensor = _RootMeanSquareNorm.apply(vectors, eps)[0]
    return result


class _LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tokens: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        result, mean, inverse = torch.native_layer_norm(
            tokens, tokens.shape[-1:], weight, bias, eps
        )
        ctx.save_for_backward(tokens, weight, mean, inverse)
        ctx.eps = eps
        return result

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        tokens, weight, mean, inverse = ctx.saved_tensors
        if not torch.is_grad_enabled():
            found = torch.ops.aten.native_layer_norm_backward(
                upstream, tokens, tokens.shape[-1:], mean, inverse, weight, weight, [True] * 3
            )
            return *found, None
        at_tokens = _LayerNormGradient.apply(upstream * weight, tokens, inverse, mean)
        if not weight_gradients_wanted():
            return at_tokens, None, None, None
        leading = tuple(range(tokens.ndim - 1))
        normalised = F.layer_norm(tokens, tokens.shape[-1:], eps=ctx.eps)
        return at_tokens, (upstream * normalised).sum(leading), upstream.sum(leading), None


class _RootMeanSquareNorm(torch.autograd.Function):
    @staticmethod
    def forward(vectors: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        vectors = full_precision(vectors)
        inverse = vectors.square().mean(-1, keepdim=True).add_(eps).rsqrt_()
        return vectors * inverse, inverse

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        result, inverse = output
        ctx.mark_non_differentiable(inverse)
        ctx.set_materialize_grads(False)  # for it, which would be a kernel of zeros in each pass
        ctx.save_for_backward(inputs[0], inverse, result)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        if upstream is None:
            return None, None
        vectors, inverse, result = ctx.saved_tensors
        if not torch.is_grad_enabled():
            # In one layout for all, as torch.compile takes no other.
            narrow = torch.empty(result.shape, dtype=vectors.dtype, device=vectors.device)
            return torch.mul(_across(upstream, result), inverse, out=narrow), None
        at_vectors = _RootMeanSquareGradient.apply(upstream, full_precision(vectors), inverse)
        return at_vectors.to(vectors.dtype), None


class _LayerNormGradient(torch.autograd.Function):
    """J u, of u and the tokens."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, tokens: Tensor, inverse: Tensor, mean: Tensor) -> Tensor:
        result = _times_jacobian(given, tokens, inverse, mean)
        ctx.save_for_backward(given, tokens, inverse, mean, result)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        given, tokens, inverse, mean, result = ctx.saved_tensors
        other = _times_jacobian(upstream, tokens, inverse, mean)
        normalised = (tokens - mean) * inverse
        return other, _at_tokens(given, result, upstream, other, normalised, inverse), None, None


class _RootMeanSquareGradient(torch.autograd.Function):
    """J u of the norm without a mean."""

    @staticmethod
    def forward(given: Tensor, vectors: Tensor, inverse: Tensor) -> Tensor:
        return _across(given, vectors * inverse).mul_(inverse)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        given, vectors, inverse, result = ctx.saved_tensors
        normalised = vectors * inverse
        other = _across(upstream, normalised).mul_(inverse)
        return other, _at_tokens(given, result, upstream, other, normalised, inverse), None


def _times_jacobian(given: Tensor, tokens: Tensor, inverse: Tensor, mean: Tensor) -> Tensor:
    """J u of the layer norm, by PyTorch's kernel."""
    shape = tokens.shape[-1:]
    # The kernel copies what is laid out otherwise, which torch.compile does not foresee of its result.
    given = given.contiguous()
    found: Tensor = torch.ops.aten.native_layer_norm_backward(
        given, tokens, shape, mean, inverse, None, None, [True, False, False]
    )[0]
    return found


def _across(given: Tensor, normalised: Tensor) -> Tensor:
    """U - x^ (x^ u) / D: the part of u across x^, whose mean square is 1."""
    along = (given * normalised).mean(-1, keepdim=True)
    return torch.addcmul(given, along, normalised, value=-1)


def _at_tokens(
    u: Tensor,
    jacobian_u: Tensor,
    v: Tensor,
    jacobian_v: Tensor,
    normalised: Tensor,
    inverse: Tensor,
) -> Tensor:
    """The gradient of v J u at the tokens: the formula at the head of this file."""
    total = (v * normalised).sum(-1, keepdim=True) * jacobian_u
    total.addcmul_((u * normalised).sum(-1, keepdim=True), jacobian_v)
    total.addcmul_((v * jacobian_u).sum(-1, keepdim=True), normalised)
    return total.mul_(inverse * (-1 / normalised.shape[-1]))
