"""Train a small U-Net on axial slices in PyTorch, from augmented samples: `python notebooks/train_torch.py`."""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import training_data as common
from torch import nn

from mia_functional import dataset
from mia_functional.adapters.tensorboard import event_file
from mia_functional.adapters.torch import tensors
from mia_functional.metrics import dice, soft_confusion_counts
from mia_functional.phantoms import LABELS


def block(inputs: int, outputs: int) -> nn.Sequential:
    """Return two convolutions, each normalised and rectified."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.GroupNorm(4, outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """A U-Net of three levels: from images `(batch, channel, y, x)` to logits `(batch, class, y, x)`."""

    def __init__(self, inputs: int, classes: int, width: int = 12) -> None:
        """Make the layers."""
        super().__init__()
        self.down = nn.ModuleList([block(inputs, width), block(width, 2 * width)])
        self.bottom = block(2 * width, 4 * width)
        self.up = nn.ModuleList([block(6 * width, 2 * width), block(3 * width, width)])
        self.last = nn.Conv2d(width, classes, 1)

    def forward(self, x: Any) -> Any:
        """Return the logits."""
        kept = []
        for level in self.down:
            x = level(x)
            kept.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.bottom(x)
        for level, skip in zip(self.up, reversed(kept), strict=True):
            x = level(torch.cat([nn.functional.interpolate(x, scale_factor=2), skip], dim=1))
        return self.last(x)


def loss_of(model: UNet, images: Any, labels: Any) -> Any:
    """Return one minus the mean soft Dice of the structures over the batch, plus the weighted cross-entropy."""
    logits = model(images)
    counts = soft_confusion_counts(logits.softmax(dim=1).movedim(1, -1)[..., 1:], labels[:, 0], labels=LABELS)
    entropy = nn.functional.cross_entropy(logits, labels[:, 0].long(), weight=torch.tensor(common.WEIGHTS))
    return 1 - dice(counts).mean() + entropy


def predict(model: UNet, images: Any) -> Any:
    """Return the probabilities `(batch, y, x, class)` of images `(batch, y, x, channel)`, NumPy arrays both."""
    with torch.no_grad():
        logits = model(torch.tensor(np.moveaxis(images, -1, 1).copy()))
    return logits.softmax(dim=1).movedim(1, -1).numpy()


def train(folder: Path, *, steps: int, subjects: int = 6, every: int = 50, batch_size: int = 16) -> list[float]:
    """Train, validate every few steps on the last two subjects, log, and return the Dice of the larger structures."""
    data = common.make(folder, subjects)
    training, validation = data.subjects[:-2], data.subjects[-2:]
    torch.manual_seed(0)
    torch.set_num_threads(max(1, (os.cpu_count() or 1) - 1))
    model = UNet(2, len(common.WEIGHTS))
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, steps, pct_start=1 / 8, cycle_momentum=False)
    history = []
    with event_file(folder / "events") as log:
        for step, batch in enumerate(batches(data, training, steps, batch_size), start=1):
            optimizer.zero_grad()
            loss = loss_of(model, batch["images"], batch["labels"])
            loss.backward()
            optimizer.step()
            schedule.step()
            if step % every == 0 or step == steps:
                scores = common.validate(lambda images: predict(model, images), data, validation)
                history.append(common.of_larger(scores))
                log(step, {"loss": loss.item(), **{f"dice/{name}": score for name, score in scores.items()}})
                print(", ".join(f"{name} {score:.3f}" for name, score in scores.items()))
                print(f"step {step}  loss {loss.item():.3f}  Dice of the larger structures {history[-1]:.3f}")
    return history


def batches(data: dataset.Dataset, subjects: tuple[str, ...], steps: int, batch_size: int) -> Iterator[dict[str, Any]]:
    """Yield batches of tensors, epoch after epoch, until there were `steps` of them; every epoch draws anew."""
    samples, rng, done, epoch = common.slices(data, subjects, common.AUGMENT), np.random.default_rng(0), 0, 0
    while done < steps:
        current = dataset.at_epoch(samples, epoch)
        for batch in dataset.prefetch(current, batch_size=batch_size, rng=rng, drop_last=True):
            yield tensors(batch)
            done += 1
            if done == steps:
                return
        epoch += 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        start = time.perf_counter()
        train(Path(place), steps=arguments.steps)
        print(f"{time.perf_counter() - start:.0f} s")
