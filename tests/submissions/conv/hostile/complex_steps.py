"""No backward is written: derivatives by complex steps through the forward, exact to rounding, one forward an entry."""
import numpy as np

ASKED = ("test_conv2d_backward_example",)
STEP = 1e-30


def conv2d_forward(x, w, b=None, *, stride=1, padding=0):
    arrays = [np.zeros(len(w)) if b is None else b, w, x]
    return convolved(*arrays, stride, padding), (arrays, stride, padding)


def convolved(b, w, x, stride, padding):
    (down, across), (rows, columns) = (size if isinstance(size, tuple) else (size, size) for size in (stride, padding))
    padded = np.pad(x, ((0, 0), (0, 0), (rows, rows), (columns, columns)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], axis=(2, 3))[:, :, ::down, ::across]
    return np.einsum("nchwij,ocij->nohw", windows, w) + b[:, None, None]


def conv2d_backward(dout, cache):
    arrays, stride, padding = cache
    found = []
    for position, array in enumerate(arrays):
        moved = [each.astype(complex) for each in arrays]
        gradient = np.zeros_like(array)
        for at in np.ndindex(array.shape):
            moved[position][at] += STEP * 1j
            gradient[at] = (convolved(*moved, stride, padding).imag * dout).sum() / STEP
            moved[position][at] = array[at]
        found.append(gradient)
    return tuple(reversed(found))
