"""The labelled sample: nested, uniform, told apart by fingerprints, and budgets that cannot be."""

import numpy as np
import pytest

from cluster_tune import sampling
from cluster_tune.errors import InputError


def test_budgets_are_nested_and_repetitions_differ():
    small, large = (sampling.labelled_sample(1000, budget, 0) for budget in (64, 128))
    assert (large[:64] == small).all()
    assert len(set(large)) == 128
    assert set(sampling.labelled_sample(1000, 64, 1)) != set(small)


def test_the_sample_is_uniform_over_the_training_texts():
    drawn = np.concatenate([sampling.labelled_sample(100, 10, repetition) for repetition in range(500)])
    counts = np.bincount(drawn, minlength=100)
    assert counts.sum() == 5000 and abs(counts - 50).max() < 5 * np.sqrt(50)


@pytest.mark.parametrize("budget, says", [(0, "below 1"), (-3, "below 1"), (101, "above the 100 training texts")])
def test_budgets_that_cannot_be(budget, says):
    with pytest.raises(InputError, match=says):
        sampling.labelled_sample(100, budget, 0)


def test_fewer_labels_than_classes_is_an_error():
    sampling.check_budget(4, 4)
    with pytest.raises(InputError, match="below the 4 classes; give at least 4"):
        sampling.check_budget(3, 4)


def test_fingerprints_tell_samples_and_data_apart():
    rows = np.array([3, 1])
    assert sampling.fingerprint(rows, "a") == sampling.fingerprint(rows.copy(), "a")
    assert len({sampling.fingerprint(r, d) for r in (rows, rows[::-1]) for d in "ab"}) == 4


def test_rows_for_a_picture_are_nested_and_in_order():
    few, many = sampling.drawn(500, 50), sampling.drawn(500, 100)
    assert len(few) == 50 and set(few) < set(many) and (np.diff(many) > 0).all()
    assert sampling.drawn(30, 50).tolist() == list(range(30))
