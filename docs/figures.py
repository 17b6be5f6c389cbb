"""Write the pictures of the handouts, assignments/NAME/figures/*.svg: `python docs/figures.py`, or `make docs`."""

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from docs.drawing import CELL, Drawing  # noqa: E402

FIGURES: dict[str, Callable[[], Drawing]] = {}
IMAGE = [[0, 1, 2], [3, 4, 5], [6, 7, 8]]  # the lecture's
KERNEL = [[0, 1], [2, 3]]


def figure(path: str) -> Callable[[Callable[[], Drawing]], Callable[[], Drawing]]:
    """A function that draws assignments/`path`, which is NAME/PICTURE."""

    def kept(draw: Callable[[], Drawing]) -> Callable[[], Drawing]:
        FIGURES[path] = draw
        return draw

    return kept


def windows() -> dict[tuple[int, int], list[int]]:
    """The windows of the lecture's image, by where they begin."""
    return {(i, j): [IMAGE[i + m][j + n] for m in (0, 1) for n in (0, 1)] for i in (0, 1) for j in (0, 1)}


def correlated() -> list[list[int]]:
    """What the lecture's kernel makes of it."""
    flat = [value for row in KERNEL for value in row]
    return [[sum(x * k for x, k in zip(windows()[i, j], flat, strict=True)) for j in (0, 1)] for i in (0, 1)]


@figure("conv/windows")
def conv_windows() -> Drawing:
    d = Drawing(600, 190, "A kernel slides over an image")
    blue = {(i, j): "blue" for i in (0, 1) for j in (0, 1)}
    d.grid(30, 46, IMAGE, blue)
    d.frame(30 + CELL, 46 + CELL, 2 * CELL, 2 * CELL, "orange")
    d.text(81, 28, "image x", "bold")
    d.text(160, 97, "✱")
    d.grid(188, 63, KERNEL)
    d.text(222, 28, "kernel k", "bold")
    d.text(282, 97, "=")
    d.grid(312, 63, correlated(), {(0, 0): "blue", (1, 1): "orange"})
    d.text(346, 28, "out", "bold")
    for row, kind, y in ((0, "blue", 80), (1, "orange", 114)):
        pairs = zip(windows()[row, row], [value for line in KERNEL for value in line], strict=True)
        total = correlated()[row][row]
        d.text(396, y, f"{' + '.join(f'{x}·{k}' for x, k in pairs)} = {total}", f"small {kind}", "start")
    d.text(300, 170, "out[i, j] begins at row i and column j of the image", "small quiet")
    return d


@figure("conv/steps")
def conv_steps() -> Drawing:
    n, p, k, s = 6, 1, 3, 2
    d = Drawing(560, 232, "Windows along one axis, with padding and stride")
    size = (n + 2 * p - k) // s + 1
    row = ["0"] * p + [f"x{i}" for i in range(n)] + ["0"] * p
    left, last = 130, (size - 1) * s + k
    kinds = {(0, j): "faint" for j in range(len(row)) if not p <= j < p + n}
    d.grid(left, 30, [row], kinds | {(0, j): "orange" for j in range(last, len(row))})
    d.text(left - 14, 47, f"n = {n}, p = {p}", "small quiet", "end")
    for i in range(size):
        y = 84 + 32 * i
        d.box(left + i * s * CELL, y, k * CELL, 22, f"out[{i}]", "blue")
        if i:
            d.line((left + (i - 1) * s * CELL, y + 11), (left + i * s * CELL, y + 11), kind="dashed")
    d.text(left - 14, 95, f"k = {k}", "small quiet", "end")
    d.text(left - 14, 127, f"s = {s}", "small quiet", "end")
    d.text(left + len(row) * CELL + 12, 47, "read by no window", "small orange", "start")
    d.text(280, 206, f"floor((n + 2p - k) / s) + 1 = floor(({n} + {2 * p} - {k}) / {s}) + 1 = {size} windows", "small")
    return d


@figure("conv/columns")
def conv_columns() -> Drawing:
    d = Drawing(560, 232, "Every window as a column: the layer is one matrix product")
    flat = [value for row in KERNEL for value in row]
    columns = list(zip(*windows().values(), strict=True))
    d.grid(30, 97, [flat], {(0, j): "plain" for j in range(4)})
    d.text(98, 28, "filters", "bold")
    d.text(98, 46, "C_out × C_in·kh·kw", "small quiet")
    d.text(190, 114, "@")
    first_last = {(i, 0): "blue" for i in range(4)} | {(i, 3): "orange" for i in range(4)}
    d.grid(212, 62, columns, first_last)
    d.text(280, 28, "columns", "bold")
    d.text(280, 46, "C_in·kh·kw × windows", "small quiet")
    d.text(372, 114, "=")
    d.grid(394, 97, [[value for row in correlated() for value in row]], {(0, 0): "blue", (0, 3): "orange"})
    d.text(462, 28, "out", "bold")
    d.text(462, 46, "C_out × windows", "small quiet")
    d.text(280, 212, "the image and the kernel of above: one channel, one filter, four windows", "small quiet")
    return d


@figure("attention/heads")
def attention_heads() -> Drawing:
    d = Drawing(600, 300, "Multi-head attention with three heads")
    kinds = ("blue", "orange", "green")
    for column, name in enumerate(("query", "key", "value")):
        x = 40 + 190 * column
        d.text(x + 72, 24, name, "bold")
        d.arrow((x + 72, 34), (x + 72, 48))
        d.box(x, 48, 144, 28, f"{name[0]}_proj")
        d.arrow((x + 72, 76), (x + 72, 92))
        for head, kind in enumerate(kinds):
            d.box(x + 48 * head, 92, 48, 28, f"{name[0]} {head}", kind)
    for head, kind in enumerate(kinds):
        x = 40 + 190 * head
        d.box(x, 160, 144, 28, "softmax(q kᵀ / √·) v", kind)
        d.text(x + 72, 146, f"head {head}: q {head}, k {head}, v {head}", "small quiet")
        d.arrow((x + 72, 188), (x + 72, 198), (254 + 48 * head, 206), (254 + 48 * head, 216), kind=kind)
        d.box(230 + 48 * head, 216, 48, 28, str(head), kind)
    d.text(214, 230, "side by side", "small quiet", "end")
    d.arrow((302, 244), (302, 256))
    d.box(230, 256, 144, 28, "out_proj")
    return d


@figure("attention/causal")
def attention_causal() -> Drawing:
    d = Drawing(560, 226, "Which keys a query sees")
    for left, t_q, t_k in ((60, 4, 4), (336, 2, 4)):
        seen = {(i, j): "blue" for i in range(t_q) for j in range(t_k) if j <= i + t_k - t_q}
        signs = [["✓" if (i, j) in seen else "" for j in range(t_k)] for i in range(t_q)]
        top = 58 + (4 - t_q) * CELL
        d.grid(left, top, signs, seen)
        d.text(left + 2 * CELL, 24, f"causal_mask({t_q}, {t_k})", "mono")
        for j in range(t_k):
            d.text(left + (j + 0.5) * CELL, top - 12, f"k{j}", "small quiet")
        for i in range(t_q):
            d.text(left - 10, top + (i + 0.5) * CELL, f"q{i}", "small quiet", "end")
    d.text(280, 206, "both end together: the last query sees every key", "small quiet")
    return d


@figure("lstm/unrolled")
def lstm_unrolled() -> Drawing:
    d = Drawing(600, 238, "A recurrent network, unrolled; gradients come back along the same ways")
    d.text(40, 106, "s0")
    for t in range(3):
        x = 110 + 160 * t
        d.box(x, 86, 80, 40, "tanh", "blue")
        d.text(x + 40, 200, f"x[{t}]")
        d.arrow((x + 32, 186), (x + 32, 126))
        d.text(x + 24, 156, "U", "small quiet", "end")
        d.arrow((x + 48, 126), (x + 48, 186), kind="dashed orange")
        d.text(x + 40, 24, f"s[{t}]")
        d.arrow((x + 32, 86), (x + 32, 36))
        d.arrow((x + 48, 36), (x + 48, 86), kind="dashed orange")
        d.text(x + 54, 60, f"dout[:, {t}]", "small orange", "start")
        start = x - 48 if t == 0 else x - 80
        d.arrow((start, 98), (x, 98))
        d.arrow((x, 114), (start, 114), kind="dashed orange")
        d.text((start + x) / 2, 88, "W", "small quiet")
    d.line((510, 98), (540, 98))
    d.text(556, 106, "…")
    d.text(300, 222, "the same U, W and b at every step: their gradients add up", "small quiet")
    return d


@figure("lstm/gates")
def lstm_gates() -> Drawing:
    d = Drawing(600, 300, "One step of the LSTM")
    d.text(28, 60, "c", "bold")
    d.arrow((40, 60), (138, 60))
    d.circle(150, 60, 12, "×")
    d.arrow((162, 60), (278, 60))
    d.circle(290, 60, 12, "+")
    d.arrow((302, 60), (552, 60))
    d.text(572, 60, "c'", "bold")
    gates = (("f", "forget", 118, "orange"), ("i", "input", 208, "blue"), ("g", "candidate", 298, "plain"))
    for name, told, x, kind in (*gates, ("o", "output", 398, "green")):
        d.box(x, 180, 64, 34, f"{'tanh' if name == 'g' else 'σ'}", kind)
        d.text(x + 32, 228, f"{name}: {told}", "small quiet")
        d.line((x + 32, 250), (x + 32, 238), kind="")
    d.arrow((150, 180), (150, 72), kind="orange")
    d.text(140, 150, "f", "orange", "end")
    d.circle(290, 120, 12, "×")
    d.arrow((290, 108), (290, 72))
    d.arrow((240, 180), (240, 120), (278, 120), kind="blue")
    d.text(230, 150, "i", "blue", "end")
    d.arrow((330, 180), (330, 120), (302, 120))
    d.text(340, 150, "g", "", "start")
    d.box(430, 94, 60, 28, "tanh", "faint")
    d.arrow((460, 60), (460, 94))
    d.circle(460, 150, 12, "×")
    d.arrow((460, 122), (460, 138))
    d.arrow((430, 180), (430, 150), (448, 150), kind="green")
    d.text(420, 166, "o", "green", "end")
    d.arrow((472, 150), (552, 150))
    d.text(572, 150, "h'", "bold")
    d.line((40, 250), (430, 250))
    d.text(24, 250, "x, h", "bold")
    d.text(300, 282, "from c' back to c the gradient is multiplied by f, and by nothing else", "small quiet")
    return d


REST = (("bn1", "plain"), ("relu", "plain"))


def residual(d: Drawing, left: float, title: str, layers: list[tuple[str, str]]) -> None:
    """A residual block from top to bottom."""
    x = left + 70
    d.text(x, 26, title, "bold")
    d.text(x, 52, "x")
    y = 74.0
    d.line((x, 60), (x, y))
    for words, kind in layers:
        d.arrow((x, y - 8), (x, y + 4))
        d.box(left, y + 4, 140, 24, words, kind)
        y += 36
    d.arrow((x, y - 8), (x, y + 8))
    d.circle(x, y + 20, 12, "+", "green")
    d.arrow((x, 66), (left + 190, 66), (left + 190, y + 20), (x + 12, y + 20), kind="green")
    d.text(left + 198, (66 + y) / 2, "shortcut", "green", "start")
    d.arrow((x, y + 32), (x, y + 44))
    d.box(left, y + 44, 140, 24, "relu")
    d.arrow((x, y + 68), (x, y + 80))
    d.text(x, y + 90, "y")


@figure("resnet/basic_block")
def resnet_basic() -> Drawing:
    d = Drawing(560, 368, "Two convolutions and a way around them")
    residual(d, 30, "basic block", [("conv1 3×3", "blue"), *REST, ("conv2 3×3", "blue"), ("bn2", "plain")])
    d.text(320, 120, "shape is kept", "bold", "start")
    d.text(320, 142, "the identity: no parameters", "small", "start")
    d.text(320, 184, "shape changes", "bold", "start")
    d.text(320, 206, "conv 1×1 with the stride, then bn", "small", "start")
    d.text(320, 248, "backward", "bold", "start")
    d.text(320, 270, "+ hands dout on to both ways", "small", "start")
    return d


@figure("resnet/bottleneck")
def resnet_bottleneck() -> Drawing:
    d = Drawing(560, 476, "A bottleneck")
    layers = [("conv1 1×1", "blue"), *REST, ("conv2 3×3", "blue"), ("bn2", "plain"), ("relu", "plain")]
    residual(d, 30, "bottleneck", [*layers, ("conv3 1×1", "blue"), ("bn3", "plain")])
    for y, told in ((90, "c_in → c_mid, with the stride"), (198, "c_mid → c_mid"), (306, "c_mid → 4 c_mid")):
        d.text(320, y, told, "small", "start")
    return d


def stack(d: Drawing, x: float, bottom: float, parts: list[tuple[str, str]]) -> float:
    """Parts of a layer from bottom to top, each with its residual connection and its norm; returns where it ends."""
    y = bottom
    for number, (words, kind) in enumerate(parts, 1):
        d.arrow((x, y), (x, y - 30))
        d.box(x - 80, y - 62, 160, 32, words, kind)
        d.arrow((x, y - 62), (x, y - 74))
        d.box(x - 80, y - 98, 160, 24, f"+, norm{number}", "green")
        d.arrow((x, y - 8), (x - 102, y - 8), (x - 102, y - 86), (x - 80, y - 86), kind="green")
        y -= 98
    return y


@figure("transformer/layers")
def transformer_layers() -> Drawing:
    d = Drawing(620, 406, "An encoder layer and a decoder layer")
    top = stack(d, 150, 350, [("self-attention", "blue"), ("feed-forward", "orange")])
    d.text(150, 366, "x: N × Tsrc × d_model", "small")
    d.text(150, 386, "encoder layer", "bold")
    parts = [("self-attention", "blue"), ("cross-attention", "blue"), ("feed-forward", "orange")]
    end = stack(d, 450, 350, parts)
    d.text(450, 366, "x: N × Ttgt × d_model", "small")
    d.text(450, 386, "decoder layer", "bold")
    d.arrow((450, end), (450, end - 16))
    d.text(450, end - 26, "out", "small")
    d.arrow((150, top), (150, 110), (286, 110), (286, 206), (370, 206))
    d.text(216, 98, "memory", "bold")
    d.text(316, 196, "keys,", "small quiet")
    d.text(316, 218, "values", "small quiet")
    d.text(538, 304, "causal mask", "small quiet", "start")
    return d


@figure("gcn/messages")
def gcn_messages() -> Drawing:
    d = Drawing(560, 240, "Messages flow from source to target")
    nodes = {"u1": (60, 90), "u2": (60, 170), "v": (180, 130), "w": (290, 130)}
    for u in ("u1", "u2"):
        x, y = nodes[u]
        d.arrow((x + 20, y + (6 if y < 130 else -6)), (161, 130 + (-7 if y < 130 else 7)), kind="blue")
        d.circle(x, y, 20, u, "blue")
    d.arrow((200, 130), (270, 130))
    d.circle(*nodes["v"], 20, "v", "orange")
    d.circle(*nodes["w"], 20, "w")
    d.text(180, 26, "h'_v = f(x_v, e, x_u1, h_u1) + f(x_v, e, x_u2, h_u2)", "small", "middle")
    d.text(220, 182, "w hears of v, v not of w", "small quiet")
    order = ["u1", "u2", "v", "w"]
    edges = {("v", "u1"), ("v", "u2"), ("w", "v")}
    rows = [["1" if (target, source) in edges else "0" for source in order] for target in order]
    marked = {(2, 0): "blue", (2, 1): "blue", (2, 2): "orange", (2, 3): "orange"}
    d.grid(392, 66, rows, marked)
    d.text(460, 24, "A[target, source]", "mono small")
    for position, name in enumerate(order):
        d.text(409 + CELL * position, 52, name, "small quiet")
        d.text(382, 83 + CELL * position, name, "small quiet", "end")
    d.text(280, 222, "every edge is a 1 in A[target, source]; gradients go the other way", "small quiet")
    return d


@figure("autoencoder/halves")
def autoencoder_halves() -> Drawing:
    d = Drawing(560, 240, "Encoder, code, decoder")
    columns = [(60, 5, "x", "plain"), (170, 3, "hidden", "plain"), (280, 2, "code", "orange")]
    columns += [(390, 3, "hidden", "plain"), (500, 5, "rebuilt", "plain")]

    def heights(count: int) -> list[float]:
        return [100 + 34 * (i - (count - 1) / 2) for i in range(count)]

    for (x0, count0, *_), (x1, count1, *_) in itertools.pairwise(columns):
        for y0 in heights(count0):
            for y1 in heights(count1):
                d.line((x0, y0), (x1, y1), kind="thin")
    for x, count, name, kind in columns:
        for y in heights(count):
            d.circle(x, y, 12, "", kind)
        d.text(x, 194, name, "small")
    for x, told in ((170, "encode"), (390, "decode")):
        d.text(x, 22, told, "bold")
    d.text(280, 222, "d to hidden to k, and back: what does not fit through the code is lost", "small quiet")
    return d


@figure("autoencoder/components")
def autoencoder_components() -> Drawing:
    d = Drawing(560, 260, "Four samples and their first principal component")
    points = [(3, 2), (-1, 2), (1, 3), (1, 1)]  # of the example

    def place(x: float, y: float) -> tuple[float, float]:
        return 90 + 64 * (x + 1), 220 - 56 * y

    d.arrow(place(-1.6, 2), place(3.8, 2), kind="blue")
    d.text(place(3.8, 2)[0] + 8, place(3.8, 2)[1], "component (1, 0)", "small blue", "start")
    for x, y in points:
        if y != 2:
            d.line(place(x, y), place(x, 2), kind="dashed orange")
        d.circle(*place(x, y), 7, "", "tip blue")
    d.circle(*place(1, 2), 5, "", "tip orange")
    d.text(place(1, 2)[0] + 10, place(1, 2)[1] + 16, "mean (1, 2)", "small", "start")
    for (x, y), shift in zip(points, (-18, -18, -18, 18), strict=True):
        d.text(place(x, y)[0], place(x, y)[1] + shift, f"({x}, {y})", "small")
    d.text(420, 168, "along it: variance 2", "small blue", "start")
    d.text(420, 190, "left out: 1/2", "small orange", "start")
    d.text(280, 244, "rebuilt samples lie on the line; the error is what the dashes measure", "small quiet")
    return d


@figure("regularization/augment")
def regularization_augment() -> Drawing:
    d = Drawing(600, 226, "Crop, mirror, shift")
    image = [[5 * i + j for j in range(5)] for i in range(4)]
    top, left, h, w, dy, dx = 1, 1, 2, 3, 1, -1
    crop = [row[left : left + w] for row in image[top : top + h]]
    mirrored = [row[::-1] for row in crop]
    inside = {(i, j): 0 <= i - dy < h and 0 <= j - dx < w for i in range(h) for j in range(w)}
    shifted = [[mirrored[i - dy][j - dx] if inside[i, j] else 0 for j in range(w)] for i in range(h)]
    chosen = {(top + i, left + j): "blue" for i in range(h) for j in range(w)}
    all_blue = {(i, j): "blue" for i in range(h) for j in range(w)}
    d.grid(24, 54, image, chosen, 28)
    d.text(94, 28, "image", "bold")
    kept = {place: "blue" if inside[place] else "faint" for place in inside}
    shown = ((204, "crop", crop, all_blue), (338, "mirrored", mirrored, all_blue), (472, "shifted", shifted, kept))
    for x, title, rows, marked in shown:
        d.arrow((x - 34, 110), (x - 8, 110))
        d.grid(x, 82, rows, marked, 28)
        d.text(x + 42, 28, title, "bold")
    d.text(246, 56, f"top {top}, left {left}", "small quiet")
    d.text(514, 56, f"dy {dy}, dx {dx}", "small quiet")
    d.text(300, 204, "what is shifted in is 0; what is shifted out does not come back on the other side", "small quiet")
    return d


def main() -> None:
    """Write all pictures."""
    for path, draw in FIGURES.items():
        name, _, picture = path.partition("/")
        folder = ROOT / "assignments" / name / "figures"
        folder.mkdir(exist_ok=True)
        (folder / f"{picture}.svg").write_text(draw().svg(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
