"""Weights of a frozen network as they were read from a file, before the network is built."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from adavit.errors import UserError
from adavit.features.names import FEATURES, NamedBy
from adavit.metrics.extractors.weight_files import HashedFile, check_fit, read_tensors, unfit


@dataclass(frozen=True)
class Weights:
    """Tensors of a file, and how messages name it.

    Attributes:
        tensors: By name, on the CPU.
        named: How the user named the file.
        wanted: What it should be.
        otherwise: What can be done without it.
    """

    tensors: Mapping[str, Tensor]
    named: str
    wanted: str
    otherwise: str = FEATURES.otherwise

    @classmethod
    def read(
        cls, file: HashedFile, requested: str, wanted: str, named_by: NamedBy = FEATURES
    ) -> "Weights":
        """Reads a state dict or a safetensors file.

        Args:
            file: It.
            requested: What the user named.
            wanted: What the file should be.
            named_by: How the user named it.

        Raises:
            UserError: If it is neither, or holds anything but tensors by name.
        """
        named, otherwise = f"{named_by.setting}{requested}", named_by.otherwise
        tensors = read_tensors(file.path, named, wanted, otherwise=otherwise)
        if not tensors:  # timm would take none for weights that it is to download itself
            raise unfit(named, "holds no tensors", wanted, otherwise)
        return cls(tensors, named, wanted, otherwise)

    def check(self, expected: Mapping[str, Tensor], *, apart_from: str) -> None:
        """Refuses weights that are not those of a network, or not finite.

        Args:
            expected: Tensors of the right names and shapes, on any device.
            apart_from: End of the names of tensors that nothing is asked of.

        Raises:
            UserError: Naming the first difference.
        """
        found, needed = (
            {name: value for name, value in state.items() if not name.endswith(apart_from)}
            for state in (self.tensors, expected)
        )
        check_fit(found, needed, self.named, self.wanted, otherwise=self.otherwise)

    def unfit(self, fault: str) -> UserError:
        """What is told of them when they cannot be used, for example as "lacks 3 tensors"."""
        return unfit(self.named, fault, self.wanted, self.otherwise)
