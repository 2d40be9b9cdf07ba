"""The worked example against fractions worked out by hand, and against the estimator."""

import numpy as np
import pytest

from cluster_tune import datasets, worked
from cluster_tune.clustering import SIB


def test_the_texts_are_in_the_corpus():
    train = datasets.load("docstrings-small").train
    assert set(worked.TEXTS) <= set(zip(train["text"], train["label"], strict=True))


def test_the_counts_by_hand():
    counts = worked.counts()
    assert list(counts) == ["function", "graph", "set", "text"]
    assert counts.to_numpy().tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 0]]


def test_the_cost_of_both_clusters_by_hand():
    """Text 4 is half 'set', half 'text'. A without it has neither; B is a third 'graph', half 'set', a sixth 'text'."""
    a, b = worked.cost(4, "A"), worked.cost(4, "B")
    assert (a["members"], b["members"]) == ([1, 2], [3, 5, 6])
    assert a["js"] == pytest.approx(np.log2(3) - 2 / 3)  # nothing in common: the entropy of the weights 1/3 and 2/3
    assert a["cost"] == pytest.approx(a["js"] / 2)
    far = (np.log2(4 / 3) / 3 + np.log2(2 / 3) / 6) * 3 / 4
    assert b["cost"] == pytest.approx((1 / 2 / 4 + far) * 4 / 6)
    assert b["mixed"].tolist() == pytest.approx([0, 1 / 4, 1 / 2, 1 / 4])


def test_a_move_gains_the_difference_of_its_costs():
    before, after = list(worked.START), list(worked.START)
    after[3] = "B"
    gained = worked.cost(4, "A")["cost"] - worked.cost(4, "B")["cost"]
    assert worked.information(after) - worked.information(before) == pytest.approx(gained)


def test_it_ends_where_the_estimator_ends():
    sib = SIB(2, random_state=0).fit(worked.counts().to_numpy())
    final = worked.final()
    assert worked.final(final) == final  # where nothing moves any more
    assert final[:3] == ["A"] * 3 and final[3:] == ["B"] * 3
    assert len(set(zip(final, sib.labels_, strict=True))) == 2
    assert worked.information(final) == pytest.approx(sib.mutual_information_, abs=1e-6)


def test_the_table_of_steps_and_what_training_is_told():
    steps = worked.steps(4)
    assert list(steps) == ["cluster A", "cluster B"] and steps.loc["cost d(x,t)"].tolist() == ["0.459", "0.104"]
    lessons = worked.lessons()
    assert (lessons["Fine-tuning predicts"] != "").sum() == 2 and set(lessons["Inter-training predicts"]) == {"A", "B"}
