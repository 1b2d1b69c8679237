from typing import Any

from adavit.config.training import TrainingConfig
from adavit.training.score_line import score_line, score_record

RANDOM: dict[str, Any] = {"extractor_learned_from": "nothing", "n_heldout": 7}


def test_a_line_has_the_figures_and_what_held_out_images_score() -> None:
    record = {"images": 1500, "fd_random": 2.5, "kid_random": 0.125, "protocol": RANDOM}
    assert score_line(record, [("fd_random", "kid_random")]) == (
        "1.5 kimg: fd_random 2.5  kid_random 0.125"
    )
    floor = {"fd_random_floor": 0.5, "fd_random_at_floor": 3.0}
    assert score_line(record | floor, [("fd_random",)]) == (
        "1.5 kimg: fd_random 2.5  (7 held-out real images score 0.5, 7 generated 3)"
    )


def test_a_record_says_whether_the_network_is_untrained() -> None:
    figures, scratch = {"fd_random": 2.5}, TrainingConfig.model_construct(transfer=None)
    from_another = TrainingConfig.model_construct(transfer="run")
    assert score_record(figures, scratch, 0, 1.5) == {
        "images": 0, "untrained": True, "fd_random": 2.5, "seconds": 1.5
    }  # fmt: skip
    rest = {"fd_random": 2.5, "seconds": 1.5}
    assert score_record(figures, from_another, 0, 1.5) == {"images": 0, **rest}
    assert score_record(figures, scratch, 8, 1.5) == {"images": 8, **rest}


def test_what_is_recognised_is_said_in_words() -> None:
    record = {"images": 20_000, "fd_drawn": 8.25, "recognised": 0.873, "kinds": 9.0, "modes": 0.5}
    names = [("fd_drawn", "recognised", "kinds", "modes"), ("fd_random",)]
    beside = {"fd_random": 2.0, "protocol": RANDOM}
    assert score_line(record | {"protocol": RANDOM, "beside": [beside]}, names) == (
        "20 kimg: fd_drawn 8.25; kinds recognised: 9 of 10, in 87% of the images; beside: fd_random 2"
    )


def test_what_decides_nothing_stands_behind_it_and_says_if_it_is_flattered() -> None:
    seen = {"discriminator_saw": ["torchvision:resnet18 0123"]}
    inception = {"fid": 9.0, "protocol": {**seen, "extractor_learned_from": "ImageNet"}}
    record = {"images": 0, "fd_random": 2.5, "protocol": RANDOM | seen, "beside": [inception]}
    names = [("fd_random",), ("fid",)]
    assert score_line(record, names) == "0 kimg: fd_random 2.5; beside: fid 9 (flattered)"
    del inception["protocol"]["discriminator_saw"]
    assert score_line(record, names) == "0 kimg: fd_random 2.5; beside: fid 9"
