"""Which texts are labelled: one sample a data set, budget and repetition, shared by all that learn from labels.

It depends on the training set, the budget and the repetition alone, so that every setting and every reference method
is compared on the very same texts (section 3.2). Not here: the texts that the clusters themselves ask for (`baselines`).
"""

import hashlib

import numpy as np

from cluster_tune.errors import InputError


def labelled_sample(n: int, budget: int, repetition: int) -> np.ndarray:
    """Rows of the labelled texts, (budget,), among the n that have a label: uniform, not stratified, nested (the 64 are the
    first of the 128)."""
    check_size(n, budget)
    return np.random.default_rng(repetition).permutation(n)[:budget]


def check_size(n: int, budget: int) -> None:
    """InputError for a budget that `n` training texts with labels cannot give."""
    if budget < 1:
        raise InputError(f"a budget of {budget} labels is below 1; give a positive number")
    if budget > n:
        raise InputError(f"a budget of {budget} labels is above the {n} training texts; give at most {n}, with --budgets or "
                         "-p budgets=")


def drawn(n: int, size: int) -> np.ndarray:
    """Rows of at most `size` of n texts that stand for all of them in a picture, in rising order; nested in `size`."""
    return np.sort(np.random.default_rng(0).permutation(n)[:size])


def check_budget(budget: int, classes: int) -> None:
    """InputError for fewer labels than classes: some class could not be seen at all, whatever the sample."""
    if budget < classes:
        raise InputError(f"a budget of {budget} labels is below the {classes} classes; give at least {classes}")


def fingerprint(rows: np.ndarray, data_fingerprint: str) -> str:
    """16 hexadecimal digits that tell one labelled sample from another."""
    return hashlib.sha256(f"{data_fingerprint} {','.join(map(str, rows))}".encode()).hexdigest()[:16]
