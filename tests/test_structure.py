"""A network's structure, from its recording: the same for every right way of writing it, another for every other."""

import types

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from autograder.checks.architecture import difference, free_lenet
from autograder.proof.recording import Recording, RecordingRefused
from autograder.proof.structure import read
from autograder.proof.weighing import Weighed
from autograder.sandbox.request import Request
from autograder.sandbox.steps import Submission, perform


class Flow(nn.Module):
    """A network of these layers, called in a way of its own."""

    def __init__(self, forward, *layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.how = forward

    def forward(self, x):
        return self.how(x, *self.layers)


def recorded(network, images=(2, 3, 11, 11), training=False):
    module = types.ModuleType("written")
    module.__file__, module.build = "written.py", network
    options = {"images": list(images), "training": training}
    value = perform(Submission(module), Request("network", "build", options=options))["value"]
    return Recording.read(value["recording"]), value["held"]


def structure(network, images=(2, 3, 11, 11)):
    return read(*recorded(network, images), list(images))


def usual():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16, 6), nn.ReLU(), nn.Linear(6, 5),
    )  # fmt: skip


def but(position, *instead):
    def build():
        layers = list(usual())
        layers[position : position + 1] = [make() for make in instead]
        return nn.Sequential(*layers)

    return build


def with_relu(relu):
    def forward(x, first, second, third, fourth):
        x = F.max_pool2d(relu(first(x)), 3, 2)
        x = relu(F.max_pool2d(second(x), 2))
        return fourth(relu(third(x.reshape(len(x), -1))))

    layers = [usual()[index] for index in (0, 3, 7, 9)]
    return lambda: Flow(forward, *layers)


SAME = {
    "clamp": with_relu(lambda x: x.clamp(min=0)),
    "where": with_relu(lambda x: torch.where(x > 0, x, 0)),
    "times a mask": with_relu(lambda x: x * (x > 0)),
    "maximum": with_relu(lambda x: torch.maximum(x, torch.zeros_like(x))),
    "half of x and |x|": with_relu(lambda x: (x + x.abs()) / 2),
    "in place": with_relu(lambda x: x.relu_()),
    "padding apart": but(0, lambda: nn.ZeroPad2d(1), lambda: nn.Conv2d(3, 4, 3)),
    "pooling to the same shape": but(6, lambda: nn.AdaptiveAvgPool2d(2), nn.Flatten, nn.Dropout),
}
SAME["pooling before the ReLU"] = lambda: nn.Sequential(*[usual()[i] for i in (0, 2, 1, 3, 5, 4, 6, 7, 8, 9)])
SAME["linear layer as a convolution"] = lambda: nn.Sequential(
    *list(usual())[:6], nn.Conv2d(4, 6, 2), nn.ReLU(), nn.Flatten(), nn.Linear(6, 5)
)
DIFFERENT = {
    "no ReLU": (but(4), "after the 2nd convolution there is no ReLU"),
    "ReLU too early": (
        lambda: nn.Sequential(*[usual()[i] for i in (1, 0, 2, 3, 4, 5, 6, 7, 8, 9)]),
        "after the images there is a ReLU too many",
    ),
    "sigmoid": (but(8, nn.Sigmoid), "another non-linearity than a ReLU"),
    "average": (but(5, lambda: nn.AvgPool2d(2)), "the 2nd pooling takes means, not maxima"),
    "window": (but(2, lambda: nn.MaxPool2d(2)), "the window of the 1st pooling is 2, not 3"),
    "padding": (but(3, lambda: nn.Conv2d(4, 4, 3, padding=2, dilation=2)), "the 2nd convolution has padding 2, not 1"),
    "softmax": (but(9, lambda: nn.Linear(6, 5), lambda: nn.Softmax(1)), "there is a softmax, where"),
    "bias": (but(9, lambda: nn.Linear(6, 5, bias=False)), "the 2nd fully connected layer has no bias"),
}


@pytest.mark.parametrize("name", SAME)
def test_every_way_of_writing_a_network_has_the_same_structure(name):
    assert difference(structure(SAME[name]), structure(usual)) is None


@pytest.mark.parametrize("name", DIFFERENT)
def test_the_first_layer_that_differs_is_named(name):
    build, told = DIFFERENT[name]
    assert told in (difference(structure(build), structure(usual)) or "")


def test_numbers_are_counted_where_they_take_part():
    got = structure(lambda: Flow(lambda x, used, idle: used(x), nn.Conv2d(3, 4, 3), nn.Conv2d(3, 9, 3)))
    assert (got.parameters, got.work, got.widths) == (3 * 4 * 9 + 4, 27 * 4 * 81, (9,))


def test_branches_that_meet_may_come_in_any_order():
    def block(turned):
        layers = [nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1)]
        return lambda: Flow(lambda x, a, b: b(x) + a(x).relu() if turned else a(x).relu() + b(x), *layers)

    assert difference(structure(block(True)), structure(block(False))) is None


def test_what_was_written_into_is_not_known_by_its_other_views():
    def forward(x, conv):
        maps = conv(x)
        maps.view(2, -1).relu_()
        return maps

    assert structure(lambda: Flow(forward, nn.Conv2d(3, 3, 1))).layers[-1].kind == "overwritten"


@pytest.mark.parametrize("bend", [nn.Tanh, nn.Sigmoid, nn.Softplus])
@pytest.mark.parametrize("pool", [nn.AvgPool2d, nn.MaxPool2d, lambda size: nn.LPPool2d(2, size)])
def test_non_linearities_and_pooling_of_lenet_are_free(bend, pool):
    def lenet(bend, pool, last=bend):
        return nn.Sequential(
            nn.Conv2d(1, 2, 5), bend(), pool(2), nn.Flatten(), nn.Linear(32, 4), last(), nn.Linear(4, 3)
        )

    right = structure(lambda: lenet(nn.ReLU, nn.AvgPool2d), (2, 1, 12, 12))
    assert free_lenet(structure(lambda: lenet(bend, pool), (2, 1, 12, 12)), right) is None
    lacking = structure(lambda: lenet(bend, pool, nn.Identity), (2, 1, 12, 12))
    assert "there is no non-linearity" in (free_lenet(lacking, right) or "")


def test_weights_are_drawn_by_role_and_shape_so_that_names_and_order_do_not_matter():
    def normed(turned):
        order = [nn.BatchNorm2d(4), nn.Conv2d(3, 4, 3)] if turned else [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)]
        return lambda: Flow((lambda x, b, c: b(c(x))) if turned else (lambda x, c, b: b(c(x))), *order)

    x = torch.randn(2, 3, 11, 11)
    first, second, other = (
        Weighed(*recorded(normed(turned))).forward(x, seed, False)
        for turned, seed in ((False, 7), (True, 7), (True, 8))
    )
    assert torch.allclose(first, second) and not torch.allclose(first, other)


def test_gradients_are_those_of_the_network_with_numbers():
    weighed = Weighed(*recorded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(363, 2)), training=True))
    x, cotangent = torch.randn(2, 3, 11, 11).double(), torch.randn(2, 2).double()
    norms = weighed.gradients(x, cotangent, 3, [[2, 363]])[1]
    assert norms == [pytest.approx(float((cotangent.T @ x.flatten(1)).norm()))]


def test_a_recording_that_does_not_fit_what_the_network_holds_is_refused():
    recording, held = recorded(usual)
    with pytest.raises(RecordingRefused, match="another number of inputs"):
        read(recording, held[:-1], [2, 3, 11, 11])
    wrong = [[role, [*shape[:-1], shape[-1] + 1], kind] for role, shape, kind in held]
    with pytest.raises(RecordingRefused, match="fails in"):
        read(recording, wrong, [2, 3, 11, 11])


class Counted:
    """A network, and how often it was built."""

    def __init__(self, forward, *layers):
        self.forward, self.layers, self.times = forward, layers, 0

    def __call__(self):
        self.times += 1
        return Flow(self.forward, *(make() for make in self.layers))


def test_a_wrong_forward_is_told_in_its_own_words_and_not_tried_with_numbers():
    built = Counted(lambda x, last: last(x.flatten(1)), lambda: nn.Linear(5, 3))
    with pytest.raises(RuntimeError, match=r"\[2, 363\]|2x363"):
        recorded(built)
    assert built.times == 1


def test_a_builder_that_cannot_do_without_numbers_gets_them():
    built = Counted(lambda x, last: last(x.flatten(1)), lambda: nn.Linear(363, int(torch.tensor(3.0).item())))
    recording, held = recorded(built)
    assert read(recording, held, [2, 3, 11, 11]).output == (2, 3)
    assert built.times == 2
