"""Train a small U-Net on axial slices in Flax, augmented inside the jitted step: `python notebooks/train_flax.py`."""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import training_data as common
from flax import nnx

from mia_functional import dataset
from mia_functional.adapters.flax import to_device
from mia_functional.adapters.tensorboard import event_file
from mia_functional.metrics import dice, soft_confusion_counts
from mia_functional.phantoms import LABELS


class Block(nnx.Module):
    """Two convolutions, each normalised and rectified."""

    def __init__(self, inputs: int, outputs: int, rngs: nnx.Rngs) -> None:
        """Make the layers."""
        self.first = nnx.Conv(inputs, outputs, (3, 3), rngs=rngs)
        self.second = nnx.Conv(outputs, outputs, (3, 3), rngs=rngs)
        self.norms = nnx.List([nnx.GroupNorm(outputs, num_groups=4, rngs=rngs) for _ in range(2)])

    def __call__(self, x: Any) -> Any:
        """Return the features."""
        for layer, norm in zip((self.first, self.second), self.norms, strict=True):
            x = nnx.relu(norm(layer(x)))
        return x


class UNet(nnx.Module):
    """A U-Net of three levels: from images `(batch, y, x, channel)` to logits `(batch, y, x, class)`."""

    def __init__(self, inputs: int, classes: int, rngs: nnx.Rngs, width: int = 12) -> None:
        """Make the layers."""
        self.down = nnx.List([Block(inputs, width, rngs), Block(width, 2 * width, rngs)])
        self.bottom = Block(2 * width, 4 * width, rngs)
        self.up = nnx.List([Block(6 * width, 2 * width, rngs), Block(3 * width, width, rngs)])
        self.last = nnx.Conv(width, classes, (1, 1), rngs=rngs)

    def __call__(self, x: Any) -> Any:
        """Return the logits."""
        kept = []
        for block in self.down:
            x = block(x)
            kept.append(x)
            x = nnx.max_pool(x, (2, 2), strides=(2, 2))
        x = self.bottom(x)
        for block, skip in zip(self.up, reversed(kept), strict=True):
            x = x.repeat(2, axis=1).repeat(2, axis=2)
            x = block(jnp.concatenate([x, skip], axis=-1))
        return self.last(x)


def loss_of(model: UNet, images: Any, labels: Any) -> Any:
    """Return one minus the mean soft Dice of the structures over the batch, plus the weighted cross-entropy."""
    logits, classes = model(images), labels[..., 0].astype(int)
    counts = soft_confusion_counts(jax.nn.softmax(logits)[..., 1:], labels[..., 0], labels=LABELS)
    entropy = optax.softmax_cross_entropy_with_integer_labels(logits, classes)
    return 1 - dice(counts).mean() + jnp.average(entropy, weights=jnp.array(common.WEIGHTS)[classes])


@nnx.jit
def step_of(model: UNet, optimizer: nnx.Optimizer, batch: dict[str, Any], key: Any) -> Any:
    """Augment a batch, each sample with a key of its own, and take one step; return the loss."""
    keys = jax.random.split(key, len(batch["images"]))
    batch = jax.vmap(common.AUGMENT)({**batch, "rng": keys})
    loss, gradients = nnx.value_and_grad(loss_of)(model, batch["images"], batch["labels"])
    optimizer.update(model, gradients)
    return loss


def train(folder: Path, *, steps: int, subjects: int = 6, every: int = 50, batch_size: int = 16) -> list[float]:
    """Train, validate every few steps on the last two subjects, log, and return the Dice of the larger structures."""
    data = common.make(folder, subjects)
    training, validation = data.subjects[:-2], data.subjects[-2:]
    model = UNet(2, len(common.WEIGHTS), nnx.Rngs(0))
    schedule = optax.warmup_cosine_decay_schedule(1e-3, 1e-2, steps // 8, steps)
    optimizer = nnx.Optimizer(model, optax.adam(schedule), wrt=nnx.Param)
    predict = nnx.jit(lambda model, images: jax.nn.softmax(model(images)))
    rng, key, history = np.random.default_rng(0), jax.random.key(0), []
    with event_file(folder / "events") as log:
        for step, batch in enumerate(batches(data, training, steps, batch_size, rng), start=1):
            loss = step_of(model, optimizer, batch, jax.random.fold_in(key, step))
            if step % every == 0 or step == steps:
                model.eval()
                scores = common.validate(lambda images: np.asarray(predict(model, images)), data, validation)
                model.train()
                history.append(common.of_larger(scores))
                log(step, {"loss": loss, **{f"dice/{name}": score for name, score in scores.items()}})
                print(", ".join(f"{name} {score:.3f}" for name, score in scores.items()))
                print(f"step {step}  loss {float(loss):.3f}  Dice of the larger structures {history[-1]:.3f}")
    return history


def batches(data: dataset.Dataset, subjects: tuple[str, ...], steps: int, batch_size: int, rng: Any) -> Any:
    """Yield batches on the device, epoch after epoch, until there were `steps` of them."""
    samples, done = common.slices(data, subjects), 0
    while done < steps:
        for batch in to_device(dataset.prefetch(samples, batch_size=batch_size, rng=rng, drop_last=True)):
            yield batch
            done += 1
            if done == steps:
                return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        start = time.perf_counter()
        train(Path(place), steps=arguments.steps)
        print(f"{time.perf_counter() - start:.0f} s")
