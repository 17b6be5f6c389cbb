# %% [markdown]
# ## Experiment: digits through a bottleneck
#
# Fifteen hundred digits, drawn with a soft pen on a 12x12 grid, each a little shifted, turned and scaled. Three claims
# of the lecture, each from three seeds, with digits and weights of their own:
#
# 1. PCA *is* an autoencoder, the best linear one;
# 2. where the data is curved, an autoencoder that is not linear does better with as many numbers;
# 3. trained on noisy digits with clean ones as targets, it takes noise away that it has never seen.
#
# It takes about 8 seconds on one core, nearly all of them in the training, which has a progress bar.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from autoencoder import Autoencoder, denoising_loss, fit_linear_ae, pca, pca_reconstruct
from matplotlib.ticker import NullFormatter, ScalarFormatter
from tqdm import tqdm

torch.set_num_threads(1)  # the networks are small: more threads would wait for each other
SEEDS, SIDE, STEPS = (0, 1, 2), 12, 450
CORNERS = np.array([[-1, -2], [1, -2], [-1, 0], [1, 0], [-1, 2], [1, 2]]) / 2.2  # of a digit on a pocket calculator
BARS = [(0, 1), (0, 2), (1, 3), (2, 3), (2, 4), (3, 5), (4, 5)]  # its seven bars, from corner to corner
LIT = ["012456", "25", "02346", "02356", "1235", "01356", "013456", "025", "0123456", "012356"]  # bars of each digit


def digits(rng, count):
    """Images (count, SIDE * SIDE), float32 between 0 and 1."""
    points = np.stack([np.linspace(CORNERS[a], CORNERS[b], 7) for a, b in BARS])  # (bars, points, 2)
    labels, angle = rng.integers(0, 10, count), rng.normal(0, 0.12, count)
    lit = np.array([[str(bar) in digit for bar in range(7)] for digit in LIT])[labels]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    turn = turn * SIDE * rng.uniform(0.36, 0.46, (count, 1, 1))
    pen = np.einsum("nij,bpj->nbpi", turn, points) + (SIDE - 1) / 2 + rng.normal(0, 0.4, (count, 1, 1, 2))
    grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), axis=-1).reshape(SIDE**2, 1, 1, 2)
    distance = np.stack([((grid - image) ** 2).sum(axis=-1).min(axis=-1) for image in pen])  # (count, pixels, bars)
    distance = np.where(lit[:, None, :], distance, np.inf).min(axis=-1)
    return np.exp(-distance).astype(np.float32)


def show(title, rows):
    """The first twelve images of each row, the rows one below the other, with their names."""
    fig, axes = plt.subplots(len(rows), 12, figsize=(10, 0.85 * len(rows) + 0.3), layout="constrained")
    fig.suptitle(title)
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(line, images, strict=False):
            axis.imshow(image.reshape(SIDE, SIDE), cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    plt.show()


def error(x, rebuilt):
    """Squared error, summed over the pixels, mean over the images."""
    return ((x - rebuilt) ** 2).sum(axis=1).mean()


data = [(digits(rng, 1500), digits(rng, 500)) for rng in map(np.random.default_rng, SEEDS)]  # to train on, new ones

# %% [markdown]
# ### Linear: the same thing twice

# %%
for seed, (train_x, _) in zip(SEEDS, data, strict=True):
    few = train_x[:300]  # enough, and quick for an autoencoder that is trained
    mean, components = pca(few, 8)
    best = error(few, pca_reconstruct(few, mean, components))
    mean, enc, dec = fit_linear_ae(few, 8, np.random.default_rng(seed))
    linear = error(few, mean + (few - mean) @ enc @ dec)
    print(f"seed {seed}: squared error {best:.4f} by PCA, {linear:.4f} by the linear autoencoder, with 8 numbers")

# %% [markdown]
# The same to a thousandth, as the lecture says: the best linear code is the one that PCA finds.
#
# ### Not linear: fewer numbers for the same digits


# %%
def train(seed, k, bar, sigma=0.0, batch=128):
    """An autoencoder with a code of k numbers, trained with noise of standard deviation sigma."""
    torch.manual_seed(seed)
    model, generator = Autoencoder(SIDE**2, 96, k), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    x = torch.from_numpy(data[seed][0])
    for _ in range(STEPS):
        rows = torch.randint(0, len(x), (batch,), generator=generator)
        optimizer.zero_grad()
        denoising_loss(model, x[rows], sigma, generator).backward()
        optimizer.step()
        schedule.step()
        bar.update()
    return lambda images: model(torch.from_numpy(images)).detach().numpy()


def projected(seed, k, images):
    """What PCA with k numbers makes of images."""
    return pca_reconstruct(images, *pca(data[seed][0], k))


lengths, sigma = (2, 4, 8, 16), 0.4
with tqdm(total=STEPS * len(SEEDS) * (len(lengths) + 1), unit="step") as bar:
    models = {(seed, k): train(seed, k, bar) for seed in SEEDS for k in lengths}
    denoisers = [train(seed, 16, bar, sigma) for seed in SEEDS]

# %%
errors = {
    "PCA": np.array([[error(data[seed][1], projected(seed, k, data[seed][1])) for k in lengths] for seed in SEEDS]),
    "autoencoder": np.array(
        [[error(data[seed][1], models[seed, k](data[seed][1])) for k in lengths] for seed in SEEDS]
    ),
}
_, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
for name, values in errors.items():
    (line,) = axis.loglog(lengths, values.mean(axis=0), "o-", label=name)
    axis.fill_between(lengths, values.min(axis=0), values.max(axis=0), color=line.get_color(), alpha=0.2)
axis.set(title=f"New digits rebuilt: mean and range of {len(SEEDS)} seeds", xlabel="numbers in the code")
axis.set(ylabel="squared error of a digit", xticks=lengths, yticks=(0.5, 1, 2, 5))
for ticks in (axis.xaxis, axis.yaxis):
    ticks.set_major_formatter(ScalarFormatter())
    ticks.set_minor_formatter(NullFormatter())
axis.legend()
plt.show()

new = data[0][1]
show("Rebuilt from 8 numbers", {"digits": new, "PCA": projected(0, 8, new), "autoencoder": models[0, 8](new)})
for k, ratio in zip(lengths, (errors["autoencoder"] / errors["PCA"]).T, strict=True):
    print(f"{k:2} numbers: the autoencoder's error is {ratio.min():.2f} to {ratio.max():.2f} of PCA's")

# %% [markdown]
# From every seed, with 8 numbers the autoencoder leaves less than half of the error that PCA leaves. A digit that turns
# moves on a curve, and a curve needs a plane or more to lie in, but only one number to say where on it one is. With 16
# numbers PCA has caught up: there is room enough to be straight.
#
# ### Noise
#
# Noise of standard deviation 0.4 now, on new digits. One autoencoder has never seen noise, one was trained with
# `denoising_loss`; both have a code of 16 numbers. PCA with 12 is in the race too: a projection removes the part of the
# noise that lies outside its subspace.

# %%
results = {}
for seed, (_, clean) in zip(SEEDS, data, strict=True):
    noisy = clean + sigma * np.random.default_rng(100 + seed).standard_normal(clean.shape).astype(np.float32)
    rows = {
        "noisy": noisy,
        "trained without noise": models[seed, 16](noisy),
        "PCA, 12 numbers": projected(seed, 12, noisy),
        "trained with noise": denoisers[seed](noisy),
    }
    for name, images in rows.items():
        results.setdefault(name, []).append(error(clean, images))
show("Cleaned", {"digits": clean, **rows})
for name, values in results.items():
    print(f"{name}: squared error {min(values):.2f} to {max(values):.2f}")
print(f"d sigma^2 = {SIDE**2 * sigma**2:.2f} is the error of a model that copies its input")

# %% [markdown]
# From every seed the denoiser leaves an error of about 2 where the noise was 23: two thirds of what PCA leaves, and a
# little more than half of what the autoencoder leaves that was trained without noise. That one takes noise for strokes
# and writes down what it sees. Which digits does the denoiser confuse, and would you have read them in the noisy
# picture?
#
# Try other lengths of the code: is a longer one better for rebuilding, and is it better for denoising? For a code of
# two numbers, plot the codes of the new digits, and decode the points of a grid.
