"""Honest ways of writing torch: functions of two 6 x 6 matrices, for `test_proof`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from torch import Tensor, nn

Function = Callable[..., Any]


class Square(torch.autograd.Function):
    """Saves a tensor, and something else on the context."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.two = 2
        return x * x

    @staticmethod
    def backward(ctx: Any, dout: Tensor) -> Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return ctx.two * x * dout


class New(torch.autograd.Function):
    """The newer way, with a context of its own and a rule for vmap."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.exp()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, dout: Tensor) -> Tensor:  # type: ignore[override]
        return dout * ctx.saved_tensors[0]


def checkpointed(x: Tensor, w: Tensor) -> Any:
    def block(x: Tensor, w: Tensor) -> Tensor:
        return torch.tanh(x @ w)

    for _ in range(3):
        x = torch.utils.checkpoint.checkpoint(block, x, w, use_reentrant=False)  # type: ignore[assignment]
    return x


def in_place(x: Tensor, w: Tensor) -> Tensor:
    out = x.new_zeros(x.shape[0], w.shape[1])
    for row in range(x.shape[0]):
        out[row] += x[row] @ w
    out[:, ::2].mul_(2)
    out.T[1].add_(1)
    view = out.view(-1)[2:5]
    view.copy_(view.flip(0).clone())
    torch.relu_(out[-1])
    return out


def buffers(x: Tensor, w: Tensor) -> Tensor:
    table = torch.empty(2, *x.shape, dtype=x.dtype)
    torch.mul(x.detach(), 2, out=table[0])
    table[1] = x
    table.index_add_(0, torch.tensor([0, 1]), torch.stack([x, x]))
    return table.sum(0) @ w


def sparse_coo(x: Tensor, w: Tensor) -> Tensor:
    places = torch.tensor([[0, 1, 3, 3], [1, 0, 2, 2]])
    matrix = torch.sparse_coo_tensor(places, x[0, :4], (4, x.shape[0])).coalesce()
    return torch.sparse.mm(matrix, x) @ w + torch.sparse.sum(matrix, 1).to_dense()[:, None]


def sparse_csr(x: Tensor, w: Tensor) -> Tensor:
    ends, places = torch.tensor([0, 1, 2, 4]), torch.tensor([1, 0, 2, 1])
    matrix = torch.sparse_csr_tensor(ends, places, torch.ones(4, dtype=x.dtype), (3, x.shape[0]))
    return (matrix @ x) @ w


def sparse_from_dense(x: Tensor, w: Tensor) -> Tensor:
    eye = torch.eye(x.shape[0], dtype=x.dtype)
    return (eye.to_sparse() @ x) @ w + (eye.to_sparse_csr() @ x) @ w


def complex_numbers(x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    z = torch.complex(x, x.cos()) * (1 + 2j) * torch.exp(1j * x)
    return z.abs(), z.angle(), (z.conj() @ w.to(z.dtype)).real, torch.view_as_real(z), z.imag


def fourier(x: Tensor, w: Tensor) -> Tensor:
    size = x.shape[1] + w.shape[0]
    spectrum = torch.fft.rfft(x, size) * torch.fft.rfft(w[:, 0], size)
    both = torch.fft.ifft2(torch.fft.fft2(x)).real.sum()
    return torch.fft.irfft(spectrum, size) + both


def random_draws(x: Tensor, w: Tensor) -> Tensor:
    """Its answer depends on nothing that is drawn."""
    generator = torch.Generator().manual_seed(3)
    sketch = torch.randn(x.shape, generator=generator, dtype=x.dtype)
    order = torch.randperm(x.shape[1], generator=generator)
    noise = torch.rand_like(x).normal_(generator=generator).uniform_() + sketch
    torch.nn.init.xavier_uniform_(torch.empty(3, 3))
    return x[:, order] @ w[order] + 0 * (noise @ w)


def einsums(x: Tensor, w: Tensor) -> Tensor:
    return torch.einsum("nd,dm->nm", x, w) + torch.einsum("...d,dm,d->...m", x, w, x[0])


def tensordots(x: Tensor, w: Tensor) -> Tensor:
    return torch.tensordot(x, w, dims=([1], [0])) + torch.linalg.multi_dot([x, w, w.mT, w]) + torch.kron(x, w).sum()


def reshaped(x: Tensor, w: Tensor) -> Tensor:
    parts = x.unflatten(1, (2, -1)).permute(1, 0, 2).reshape(2, -1)
    windows = F.pad(x, (1, 1)).unfold(1, 3, 1)
    strided = x.contiguous().as_strided((2, 2), (1, 2))
    rolled = torch.roll(x, 1, 1).movedim(0, 1).swapaxes(0, 1)
    return parts.sum() + windows.sum((1, 2))[:, None] + strided.sum() + (rolled.narrow(1, 0, 3) @ w[:3])


def indexed(x: Tensor, w: Tensor) -> Tensor:
    rows = torch.arange(x.shape[0]).repeat_interleave(2)
    gathered = x.gather(1, torch.zeros(x.shape[0], 2, dtype=torch.long)).sum(1)
    summed = x.new_zeros(x.shape).index_add(0, rows, x[rows]).scatter_add(1, rows[:2, None].expand(2, 1), x[:2, :1])
    chosen = torch.where(x > 0, x, x.new_zeros(())).masked_fill(x > 1, 0.5)
    first = torch.take_along_dim(x, x.argsort(1), 1)[:, :1]
    return summed @ w + chosen @ w + gathered[:, None] + first + x[:, [0, 2]].amax(1, keepdim=True)


def sorting(x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    values, order = (x @ w).sort(1)
    return values, order, x.topk(2, 1).values, x.cumsum(0).logsumexp(1), x.median(1).values, x.detach().unique()


def with_numpy_constants(x: Tensor, w: Tensor) -> Tensor:
    scale = torch.from_numpy(np.linspace(1, 2, x.shape[1]))
    mask = torch.as_tensor(np.tri(x.shape[0], dtype=bool))
    return (x * scale) @ w + (mask.to(x.dtype) @ x) @ w + np.pi * torch.tensor(np.eye(x.shape[0]))[:, :1]


def linked_reads(x: Tensor, w: Tensor) -> Tensor:
    """Numbers that are read and computed with once more."""
    largest, total = x.abs().max().item(), float(x.sum())
    return x / largest @ w + total * (x @ w).clamp(max=largest)


def until_converged(x: Tensor, w: Tensor) -> Tensor:
    """Newton's square root: as many steps as the numbers ask for, and one more does no harm."""
    square = x * x + 1
    root = square
    while (root * root - square).abs().max() > 1e-13:
        following = (root + square / root) / 2
        if (following - root).abs().max().item() < 1e-15:
            break
        root = following
    return root @ w


def transformed(x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    def loss(row: Tensor) -> Tensor:
        return torch.tanh(row @ w).sum()

    gradient = torch.func.vmap(torch.func.grad(loss))(x)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda row: row @ w))(x)
    _, tangent = torch.func.jvp(loss, (x[0],), (torch.ones_like(x[0]),))
    return gradient, jacobian.sum(), tangent


def vmapped(x: Tensor, w: Tensor) -> Tensor:
    rows = torch.vmap(lambda row: torch.vmap(lambda column: (row * column).sum(), in_dims=1)(w))(x)
    return rows + torch.func.vmap(New.apply)(x) @ w


def gradient_in_the_forward(x: Tensor, w: Tensor) -> Tensor:
    with torch.enable_grad():
        (slope,) = torch.autograd.grad((x @ w).tanh().sum(), x, create_graph=True)
    return x + slope


def without_gradients(x: Tensor, w: Tensor) -> Tensor:
    with torch.no_grad():
        shift = x.mean(0)
    return (x - shift) @ w + x.detach().sum() + x.data.amax()


def functional_module(x: Tensor, w: Tensor) -> Tensor:
    layer = nn.Linear(x.shape[1], w.shape[1])
    return torch.func.functional_call(layer, {"weight": w.T, "bias": w.sum(0)}, (x,))  # type: ignore[no-any-return]


def meta_module(x: Tensor, w: Tensor) -> Tensor:
    """Shapes are asked of tensors without numbers."""
    with torch.device("meta"):
        layer = nn.Sequential(nn.Linear(x.shape[1], 7), nn.ReLU(), nn.Linear(7, w.shape[1]))
        shape = layer(torch.empty(x.shape)).shape
    assert shape == (x.shape[0], w.shape[1])
    return (x @ w).expand(shape) + sum(item.numel() for item in layer.parameters())


def compiled(x: Tensor, w: Tensor) -> Tensor:
    return torch.compile(lambda a, b: torch.relu(a @ b) + 1, backend="eager")(x, w)  # type: ignore[no-any-return]


def _rows(x: Tensor, w: Tensor) -> Tensor:
    out = torch.zeros([x.size(0), w.size(1)], dtype=x.dtype)
    for row in range(x.size(0)):
        out[row] = torch.mv(w.t(), x[row])
    return out.tanh()


def scripted(x: Tensor, w: Tensor) -> Tensor:
    return torch.jit.script(_rows)(x, w)  # type: ignore[no-any-return]


def library_layers(x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    images = x.reshape(1, 2, -1, 3)
    normed = F.layer_norm(x, x.shape[1:]) @ w
    picture = F.max_pool2d(F.conv2d(images, images[:, :, :2, :2]), 1) + F.avg_pool2d(images, (1, 1)).mean()
    batch = F.batch_norm(x, None, None, training=True)
    attended = F.scaled_dot_product_attention(x[None], x[None], x[None])
    lost = F.cross_entropy(x @ w, torch.zeros(len(x), dtype=torch.long)) + F.mse_loss(x, x + 1)
    active = F.gelu(x) + F.silu(x) + F.elu(x) + F.softplus(x) + F.logsigmoid(x) + F.leaky_relu(x) + F.mish(x)
    looked_up = F.embedding(torch.tensor([1, 0, 1]), w)
    resized = F.interpolate(images, scale_factor=2.0, mode="bilinear")
    return normed, picture, batch, attended, lost, active, looked_up, resized, F.dropout(x, 0.0), F.normalize(x)


def library_recurrent(x: Tensor, w: Tensor) -> Tensor:
    cell = nn.LSTMCell(x.shape[1], 2).to(x.dtype)
    state = {"weight_ih": w[:, :1].T.expand(8, -1), "weight_hh": w[:8, :2].mean() * torch.ones(8, 2, dtype=x.dtype)}
    state |= {"bias_ih": torch.zeros(8, dtype=x.dtype), "bias_hh": torch.ones(8, dtype=x.dtype)}
    return torch.func.functional_call(cell, state, (x,))[0]  # type: ignore[no-any-return]


def algebra(x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    square = x.T @ x + torch.eye(x.shape[1], dtype=x.dtype)
    values, _ = torch.linalg.eigh(square)
    lower = torch.linalg.cholesky(square)
    solved = torch.linalg.solve(square, w)
    return values, lower, solved, torch.linalg.svdvals(x), torch.linalg.inv(square), torch.logdet(square)


def other_dtypes(x: Tensor, w: Tensor) -> Tensor:
    half = (x.double() @ w.double()).to(x.dtype)
    counted = (x > 0).sum(1, keepdim=True).to(x.dtype) + (x > 0).int().bitwise_and(1).sum()
    return half + counted + torch.arange(w.shape[1], dtype=x.dtype) + torch.linspace(0, 1, w.shape[1], dtype=x.dtype)


def lists_of_tensors(x: Tensor, w: Tensor) -> Any:
    rows = [row @ w for row in x.unbind()]
    torch._foreach_mul_([row.detach() for row in rows], 1.0)
    parts = torch.split(x, 2) + torch.chunk(w, 2) + torch.meshgrid(x[0], w[0], indexing="ij")
    return {"rows": rows, "parts": [part.sum() for part in parts], "all": torch.cat([torch.stack(rows), x @ w])}


def subclassed(x: Tensor, w: Tensor) -> Tensor:
    class Mine(Tensor):
        pass

    return (x.as_subclass(Mine) @ w).as_subclass(Tensor)


def masked(x: Tensor, w: Tensor) -> Tensor:
    hidden = torch.ones(x.shape[0], x.shape[0], dtype=torch.bool).triu(1)
    scores = (x @ x.T).masked_fill(hidden, -torch.inf).softmax(-1)
    return torch.nan_to_num(scores) @ x @ w


def threads_of_the_backward(x: Tensor, w: Tensor) -> Tensor:
    """Hooks run while it goes backward."""
    y = x @ w
    y.register_hook(lambda gradient: gradient * 2)
    return y.relu()


WAYS: dict[str, Function] = {
    "an autograd function": lambda x, w: Square.apply(x) @ w,
    "an autograd function with setup_context": lambda x, w: New.apply(x) @ w,
    "checkpointing": checkpointed,
    "vmap": vmapped,
    "grad, jacrev and jvp": transformed,
    "a gradient in the forward pass": gradient_in_the_forward,
    "no_grad, detach and .data": without_gradients,
    "FFT": fourier,
    "sparse COO": sparse_coo,
    "sparse CSR": sparse_csr,
    "sparse from dense": sparse_from_dense,
    "complex numbers": complex_numbers,
    "generators and draws": random_draws,
    "writing in place, through views": in_place,
    "buffers that are filled": buffers,
    "einsum": einsums,
    "tensordot and chains": tensordots,
    "reshaping": reshaped,
    "indexing": indexed,
    "sorting": sorting,
    "constants made with NumPy": with_numpy_constants,
    "numbers that are read and used again": linked_reads,
    "as many steps as it takes": until_converged,
    "a module called with other parameters": functional_module,
    "modules without numbers": meta_module,
    "torch.compile": compiled,
    "a scripted function": scripted,
    "the library's layers": library_layers,
    "the library's cell": library_recurrent,
    "linear algebra": algebra,
    "other dtypes": other_dtypes,
    "lists of tensors": lists_of_tensors,
    "a subclass": subclassed,
    "masks": masked,
    "hooks": threads_of_the_backward,
}
