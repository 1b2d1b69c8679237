import torch

from adavit.models.vit.readout import ClassToken, ClassTokenAndMean, EachPatch, MeanOfPatches

# One image, a class token and two patches of two features.
TOKENS = torch.tensor([[[1.0, 2.0], [10.0, 20.0], [30.0, 60.0]]])


def test_what_is_picked_is_joined_to_vectors() -> None:
    picked = {
        readout: readout().join(readout().pick(TOKENS[:, 1 - readout.class_tokens :])).tolist()
        for readout in (ClassToken, MeanOfPatches, ClassTokenAndMean, EachPatch)
    }
    assert picked == {
        ClassToken: [[1.0, 2.0]],
        MeanOfPatches: [[20.0, 40.0]],
        ClassTokenAndMean: [[1.0, 2.0, 20.0, 40.0]],
        EachPatch: [[[10.0, 20.0], [30.0, 60.0]]],
    }
