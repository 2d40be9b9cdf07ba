"""Inter-training: what happens between pretraining and fine-tuning (section 2, Path 3 of Figure 1).

Predict the cluster of every training text for one epoch, then drop the classification layer. Masked-language-model
inter-training (Paths 2 and 4) is not here yet.
"""

from collections.abc import Callable

import numpy as np
from torch import nn

from cluster_tune import training


def on_clusters(
    encoder: nn.Module,
    pooling: str,
    tokens: training.Tokens,
    clusters: np.ndarray,
    *,
    learning_rate: float,
    batch_size: int,
    epochs: int,
    seed: int = 0,
    bits: str = "fp32",
    progress: Callable[[int, int, float], None] | None = None,
) -> np.ndarray:
    """Train `encoder` in place to predict `clusters` (n,); the loss of each update.

    The linear layer is made here and goes with this function; whatever pools below it stays with the encoder, as in
    the authors' code. The rate is constant (section 3.2).
    """
    _, targets = np.unique(clusters, return_inverse=True)
    model = training.Classifier(encoder, pooling, targets.max() + 1, seed).to(encoder.device)
    updates = epochs * -(-len(targets) // batch_size)
    return training.train(
        model,
        tokens,
        targets,
        learning_rate=learning_rate,
        batch_size=batch_size,
        updates=updates,
        seed=seed,
        bits=bits,
        progress=progress,
    )
