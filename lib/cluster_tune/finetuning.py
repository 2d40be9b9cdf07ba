"""Fine-tuning on a few labelled texts: Path 1 of Figure 1, and the last step of every other path.

Which texts are labelled is decided in `sampling`, and how well it went is scored in `stats`.
"""

from collections.abc import Callable, Sequence

import numpy as np
from torch import nn

from cluster_tune import stacked, training
from cluster_tune.design import Recipe


def fine_tune(
    encoder: nn.Module,
    pooling: str,
    tokens: training.Tokens,
    labels: np.ndarray,
    n_classes: int,
    recipe: Recipe,
    *,
    seed: int,
    bits: str = "fp32",
    progress: Callable[[int, int, float], None] | None = None,
) -> training.Classifier:
    """Train `encoder` in place under a new linear layer on the labelled texts; `labels` int (budget,)."""
    model = training.Classifier(encoder, pooling, n_classes, seed).to(encoder.device)
    training.train(model, tokens, labels, seed=seed, bits=bits, progress=progress, **_how(recipe, len(labels)))
    return model


def _how(recipe: Recipe, n: int) -> dict:
    """What a recipe says of fine-tuning on `n` labelled texts, as the functions that train take it."""
    rates = {"learning_rate": recipe.learning_rate, "schedule": recipe.schedule}
    return {**rates, "batch_size": recipe.batch_size, "updates": recipe.updates(n)}


def fine_tune_together(
    encoder: nn.Module,
    pooling: str,
    tokens: Sequence[training.Tokens],
    labels: Sequence[np.ndarray],
    n_classes: int,
    recipe: Recipe,
    *,
    seeds: Sequence[int],
    bits: str = "fp32",
    progress: Callable[[int, int, float], None] | None = None,
) -> stacked.Classifiers:
    """The same for several samples of one size at once, each from a copy of `encoder` and with a seed of its own, where
    `stacked.fits`; `encoder` stays as it is. torch.OutOfMemoryError where they do not fit together."""
    how = _how(recipe, len(labels[0]))
    models, _ = stacked.fine_tune(encoder, pooling, tokens, labels, n_classes, seeds=seeds, bits=bits, progress=progress, **how)
    return models
