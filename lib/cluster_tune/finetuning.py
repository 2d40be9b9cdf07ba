"""Fine-tuning on a few labelled texts, and its score: Path 1 of Figure 1, and the last step of every other path.

Which texts are labelled depends on the training set, the budget and the repetition alone, so that every setting is
compared on the very same samples (section 3.2).
"""

import hashlib
from collections.abc import Callable

import numpy as np
from sklearn.metrics import accuracy_score, f1_score
from torch import nn

from cluster_tune import training
from cluster_tune.design import Recipe
from cluster_tune.errors import InputError


def labelled_sample(n: int, budget: int, repetition: int) -> np.ndarray:
    """Rows of the labelled texts, (budget,): uniform, not stratified, nested (the 64 are the first of the 128)."""
    if budget < 1:
        raise InputError(f"a budget of {budget} labels is below 1; give a positive number")
    if budget > n:
        raise InputError(f"a budget of {budget} labels is above the {n} training texts; give at most {n}")
    return np.random.default_rng(repetition).permutation(n)[:budget]


def check_budget(budget: int, classes: int) -> None:
    """InputError for fewer labels than classes: some class could not be seen at all, whatever the sample."""
    if budget < classes:
        raise InputError(f"a budget of {budget} labels is below the {classes} classes; give at least {classes}")


def fingerprint(rows: np.ndarray, data_fingerprint: str) -> str:
    """16 hexadecimal digits that tell one labelled sample from another."""
    return hashlib.sha256(f"{data_fingerprint} {','.join(map(str, rows))}".encode()).hexdigest()[:16]


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
    training.train(
        model,
        tokens,
        labels,
        learning_rate=recipe.learning_rate,
        batch_size=recipe.batch_size,
        updates=recipe.updates(len(labels)),
        schedule=recipe.schedule,
        seed=seed,
        bits=bits,
        progress=progress,
    )
    return model


def score(gold: np.ndarray, predicted: np.ndarray, n_classes: int) -> dict[str, float]:
    """Accuracy (as in the paper) and macro-F1 over all classes, of int labels (n,), both within 0 and 1."""
    macro = f1_score(gold, predicted, labels=range(n_classes), average="macro", zero_division=0)
    return {"accuracy": float(accuracy_score(gold, predicted)), "macro_f1": float(macro)}
