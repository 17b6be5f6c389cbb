"""How fast it writes: the submission races against the reference, one thread each, on fresh inputs every turn."""

import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

MODEL = [31, 64, 4, 128, 1]  # vocab, d_model, heads, d_ff, layers
N, SOURCE, MAX_LEN = 16, 32, 48
BOS, EOS = 1, 0


@pytest.mark.task("decode", kind="race")
@weight(2)
@number("7.9")
def test_greedy_decode_cached_race(race, reference, draw):
    """greedy_decode_cached: keeps up with the reference"""
    shapes = reference.run("parameter_shapes", MODEL)

    def inputs():
        while True:
            state = {
                name: draw.tensor(*shape) / (shape[-1] if len(shape) > 1 else 4) ** 0.5
                for name, shape in shapes.items()
            }
            texts = [torch.from_numpy(draw.ints(1, MODEL[0], N, length)) for length in (SOURCE, MAX_LEN)]
            state = reference.run("sharpened", MODEL, state, texts, EOS)  # EOS is never written: turns are alike
            if reference.run("written", MODEL, state, texts[0], BOS, EOS, MAX_LEN)["gap"] > 1e-5:
                return "greedy_decode_cached", MODEL, state, texts[0], BOS, EOS, MAX_LEN

    race.run("decoded", inputs)
