"""The design: the paper's numbers, the size of its grid, and records that refuse what cannot be."""

import pytest

from cluster_tune import design
from cluster_tune.errors import InputError


def test_the_papers_recipe_is_ten_updates_at_64_labels():
    paper = design.recipe("paper")
    assert (paper.learning_rate, paper.batch_size, paper.epochs, paper.max_length) == (3e-5, 64, 10, 128)
    assert [paper.updates(n) for n in (1, 64, 65, 1024)] == [10, 10, 20, 160]


def test_the_trained_recipe_never_makes_fewer_than_a_hundred_updates():
    trained = design.recipe("trained")
    assert [trained.updates(n) for n in (1, 64, 160, 256, 1024)] == [100, 100, 100, 160, 640]


def test_the_papers_fine_tuning_grid_has_1440_runs():
    nine = [str(number) for number in range(9)]
    grid = [run for setting in design.SETTINGS for run in design.runs(nine, settings=[setting], recipes=["paper"])]
    assert len(set(grid)) == 1440


def test_changes_to_a_recipe():
    assert design.recipe("trained", learning_rate=1e-4).learning_rate == 1e-4
    with pytest.raises(InputError, match="unknown recipe field 'rate'"):
        design.recipe("paper", rate=1)
    with pytest.raises(InputError, match="unknown recipe 'papr'; did you mean 'paper'"):
        design.recipe("papr")


@pytest.mark.parametrize(
    "change, says",
    [
        ({"setting": "clusters"}, "unknown setting 'clusters'; did you mean 'clust'"),
        ({"recipe": "fair"}, "unknown recipe 'fair'; known: paper, trained"),
        ({"clustering": "kmean"}, "unknown clustering 'kmean'; did you mean 'kmeans'"),
        ({"setting": "base"}, "uses no clustering"),
        ({"budget": "64"}, "budget '64' is not a whole number"),
        ({"budget": 0}, "a budget of 0 labels is below 1"),
        ({"repetition": -1}, "repetition -1 is negative"),
    ],
)
def test_runs_that_cannot_be(change, says):
    good = dict(dataset="d", encoder="e", setting="clust", recipe="paper", budget=64, repetition=0, clustering="sib")
    design.Run(**good)
    with pytest.raises(InputError, match=says):
        design.Run(**{**good, **change})


def test_profiles_and_what_replaces_their_parts():
    assert len(design.grid("d")) == 4
    assert len(design.grid("d", profile="cpu")) == 2 * 2 * 3 * 5
    assert {run.budget for run in design.grid("d", profile="cpu", budgets=[8, 9], repetitions=2)} == {8, 9}
    assert {run.repetition for run in design.grid("d", profile="cpu", repetitions=2)} == {0, 1}
    with pytest.raises(InputError, match="unknown profile 'smok'; did you mean 'smoke'"):
        design.grid("d", profile="smok")
    with pytest.raises(InputError, match="repetitions"):
        design.grid("d", repetitions=-1)
