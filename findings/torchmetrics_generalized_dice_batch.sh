#!/usr/bin/env bash
# What the generalized Dice score of a case depends on, in torchmetrics alone. Installing it takes minutes: no part of CI.
#
# Version: torchmetrics 1.9.0 with torch 2.13.0, Python 3.11.
# Behaviour: `generalized_dice_score` gives one score for each case of a batch. A structure that the reference does not
# have gets a weight from the other cases of the batch: none if the case is alone, so that 20 made-up pixels beside 40
# right ones have 0.993, as if they were not there. With a second case in the batch, whose prediction is perfect, the
# first one has 0.226 or 0.045, depending on how large the structures of the other patient are; with the second case
# before it, the two numbers are exchanged, as the weight is then that of another structure. So scores of a validation
# depend on the batch size and the order of the patients. By the largest weight of the case's own structures it is 0.819. Per
# structure, a case in which it is absent, rightly, counts 0: three perfect predictions, two with structure 2, have 0.667
# for it, where `DiceScore` and `MeanIoU` of the same package leave the case out and have 1.
# Seen: made up: alone 0.993 before others 0.226 0.045 behind them 0.045 0.226 | perfect: 1.000 1.000 0.667
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'torchmetrics==1.9.0' 'torch==2.13.0'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -E '^(torchmetrics|torch) '

cat >"$work/batch.py" <<'PYTHON'
import torch
from torchmetrics.functional.segmentation import generalized_dice_score
from torchmetrics.segmentation import GeneralizedDiceScore


def channels(*cases):
    """Return label maps with labels 0, 1, 2 as a batch of channels."""
    return torch.nn.functional.one_hot(torch.stack(cases), 3).movedim(-1, 1)


def case(first, second):
    """Return 16 x 16 pixels with so many of label 1 and of label 2."""
    labels = torch.zeros(256, dtype=torch.int64)
    labels[:first], labels[128 : 128 + second] = 1, 2
    return labels.reshape(16, 16)


reference, made_up = case(40, 0), case(40, 20)  # label 2 is predicted where there is none
perfect = case(10, 4), case(4, 10)  # cases whose prediction is the reference


def scores(before=(), behind=()):
    """Return the score of the first case in a batch with others before and behind it."""
    predictions, references = channels(*before, made_up, *behind), channels(*before, reference, *behind)
    return float(generalized_dice_score(predictions, references, num_classes=3)[len(before)])


print(
    f"made up: alone {scores():.3f}",
    "before others {:.3f} {:.3f}".format(*(scores(behind=[one]) for one in perfect)),
    "behind them {:.3f} {:.3f}".format(*(scores(before=[one]) for one in perfect)),
    end=" | ",
)
metric = GeneralizedDiceScore(num_classes=3, per_class=True)
for labels in (reference, *perfect):
    metric.update(channels(labels), channels(labels))
print("perfect:", *(f"{value:.3f}" for value in metric.compute().tolist()))
PYTHON

seen=$("$work/venv/bin/python" "$work/batch.py")
expected='made up: alone 0.993 before others 0.226 0.045 behind them 0.045 0.226 | perfect: 1.000 1.000 0.667'
echo "Generalized Dice of one case by its batch, and of perfect predictions by structure: $seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was $expected." >&2
    exit 1
fi
