# %% [markdown]
# ## Experiment: does it help to share weights?
#
# Ten digits on an 8x8 grid, put at a random place, with noise. Two networks learn them with the functions above: one
# with eight 3x3 filters and max pooling, one with a fully connected hidden layer and more than three times as many
# parameters. Only 300 examples are given: which of the two knows a digit at a place where it has not seen it before?

# %%
import matplotlib.pyplot as plt
import numpy as np
from conv import conv2d_backward, conv2d_forward, max_pool2d_backward, max_pool2d_forward, softmax_cross_entropy

GLYPHS = [  # 4 wide, 6 high
    ".##. #..# #..# #..# #..# .##.",
    "..#. .##. ..#. ..#. ..#. .###",
    ".##. #..# ...# ..#. .#.. ####",
    "###. ...# .##. ...# ...# ###.",
    "#..# #..# #..# #### ...# ...#",
    "#### #... ###. ...# ...# ###.",
    ".##. #... ###. #..# #..# .##.",
    "#### ...# ..#. ..#. .#.. .#..",
    ".##. #..# .##. #..# #..# .##.",
    ".##. #..# #..# .### ...# .##.",
]
FONT = np.array([[[mark == "#" for mark in row] for row in glyph.split()] for glyph in GLYPHS], float)


def digits(rng, count):
    """Images (count, 1, 8, 8) and their labels (count,)."""
    labels, images = rng.integers(0, 10, count), 0.3 * rng.standard_normal((count, 1, 8, 8))
    tops, lefts = rng.integers(0, 3, count), rng.integers(0, 5, count)
    for image, label, top, left in zip(images, labels, tops, lefts, strict=True):
        image[0, top : top + 6, left : left + 4] += FONT[label]
    return images, labels


rng = np.random.default_rng(0)
train_x, train_y = digits(rng, 300)
test_x, test_y = digits(rng, 1000)

fig, axes = plt.subplots(1, 10, figsize=(10, 1.3))
for axis, image, label in zip(axes, train_x, train_y, strict=False):
    axis.imshow(image[0], cmap="gray")
    axis.set_title(label)
    axis.axis("off")
plt.show()


# %%
def hidden_conv(p, x):
    """Convolution, ReLU, 2x2 max pooling; and the way back."""
    maps, conv_cache = conv2d_forward(x, p["w"], p["b"], padding=1)
    pooled, pool_cache = max_pool2d_forward(np.maximum(maps, 0), kernel=2)

    def backward(dout):
        dmaps = max_pool2d_backward(dout.reshape(pooled.shape), pool_cache) * (maps > 0)
        _, dw, db = conv2d_backward(dmaps, conv_cache)
        return {"w": dw, "b": db}

    return pooled.reshape(len(x), -1), backward


def hidden_full(p, x):
    """A fully connected layer and ReLU; and the way back."""
    flat = x.reshape(len(x), -1)
    units = flat @ p["w"] + p["b"]

    def backward(dout):
        dunits = dout * (units > 0)
        return {"w": flat.T @ dunits, "b": dunits.sum(axis=0)}

    return np.maximum(units, 0), backward


def accuracy(hidden, p, x, y):
    return ((hidden(p, x)[0] @ p["v"] + p["c"]).argmax(axis=1) == y).mean()


def train(hidden, p, epochs=40, rate=0.1, batch=30):
    """Gradient descent with momentum; returns training and test accuracy after every epoch."""
    speed, curve = {name: np.zeros_like(item) for name, item in p.items()}, []
    for _ in range(epochs):
        order = rng.permutation(len(train_x))
        for rows in order.reshape(-1, batch):
            features, backward = hidden(p, train_x[rows])
            _, dlogits = softmax_cross_entropy(features @ p["v"] + p["c"], train_y[rows])
            grads = {"v": features.T @ dlogits, "c": dlogits.sum(axis=0), **backward(dlogits @ p["v"].T)}
            for name in p:
                speed[name] = 0.9 * speed[name] - rate * grads[name]
                p[name] = p[name] + speed[name]
        curve.append((accuracy(hidden, p, train_x, train_y), accuracy(hidden, p, test_x, test_y)))
    return np.array(curve)


conv_net = {
    "w": rng.standard_normal((8, 1, 3, 3)) / 3,
    "b": np.zeros(8),
    "v": rng.standard_normal((8 * 4 * 4, 10)) / 12,
    "c": np.zeros(10),
}
full_net = {
    "w": rng.standard_normal((64, 64)) / 8,
    "b": np.zeros(64),
    "v": rng.standard_normal((64, 10)) / 8,
    "c": np.zeros(10),
}
curves = {"shared weights": train(hidden_conv, conv_net), "fully connected": train(hidden_full, full_net)}

# %%
fig, (left, *rest) = plt.subplots(1, 9, figsize=(13, 3), width_ratios=[6] + [1] * 8, layout="constrained")
for color, (name, curve) in zip(("tab:blue", "tab:orange"), curves.items(), strict=True):
    left.plot(curve[:, 0], "--", color=color, label=f"{name}, training")
    left.plot(curve[:, 1], color=color, label=f"{name}, test")
left.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1.02))
left.legend()
for axis, kernel in zip(rest, conv_net["w"], strict=True):
    axis.imshow(kernel[0], cmap="gray")
    axis.axis("off")
plt.show()
for name, net in (("shared weights", conv_net), ("fully connected", full_net)):
    print(f"{name}: {sum(item.size for item in net.values()):,} parameters, test accuracy {curves[name][-1, 1]:.1%}")

# %% [markdown]
# The eight filters are drawn beside the curves. Which of them look like an edge, and in which direction? Look at a few
# of the digits that the network still gets wrong, and change one thing: more filters, no pooling, fewer examples.
