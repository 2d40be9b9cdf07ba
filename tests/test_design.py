"""The design: the paper's numbers, the size of its grid, and records that refuse what cannot be."""

from dataclasses import asdict
from itertools import pairwise

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


def test_the_sweep_is_the_trained_recipe_with_exactly_so_many_updates():
    trained = asdict(design.recipe("trained"))
    for name, updates in {"updates-10": 10, "updates-40": 40, "updates-160": 160, "updates-640": 640}.items():
        swept = design.recipe(name)
        assert [swept.updates(n) for n in (1, 64, 256, 1024)] == [updates] * 4
        changed = {key for key, value in asdict(swept).items() if value != trained[key]}
        assert changed == {"name", "epochs", "min_updates"}  # and so nothing of inter-training
        assert design.family(name) == design.family("trained") == "trained"
    assert design.family("paper") == "paper"


def test_the_papers_fine_tuning_grid_has_1440_runs():
    nine = [str(number) for number in range(9)]
    grid = [run for setting in design.SETTINGS for run in design.combine(nine, settings=[setting], recipes=["paper"])]
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
        ({"recipe": "fair"}, "unknown recipe 'fair'; known: paper, paper-then-trained, trained, updates-10, updates-160"),
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


def test_the_paper_profile_block_by_block():
    """Nine data sets of which one begins at 128, and docstrings: 9 x 8 - 1 + 8 = 79 cells of five repetitions."""
    runs = design.runs("paper")
    assert len(set(runs)) == len(runs)

    def count(**wanted):
        return sum(all(getattr(run, key) in values for key, values in wanted.items()) for run in runs)

    for setting in design.SETTINGS:
        assert count(setting=[setting], recipe=["paper"], clustering=["", "sib"]) == 79 * 5
    assert count(recipe=["trained"]) == 2 * 79 * 5 and count(recipe=["trained"], setting=["mlm", "mlm+clust"]) == 0
    assert count(recipe=design.SWEEP) == 5 * 2 * 4 * 2 * 5
    assert {run.budget for run in runs if run.recipe in design.SWEEP} == {64, 256}
    assert count(clustering=["kmeans"]) == count(clustering=["hartigan"]) == 79 * 5
    assert count(recipe=[design.CROSSED]) == count(recipe=[design.CROSSED], setting=["clust"], dataset=design.NINE) == 9 * 5
    assert len(runs) == (4 + 2 + 2) * 79 * 5 + 400 + 45
    assert min(run.budget for run in runs if run.dataset == "20_newsgroups") == 128


def test_the_cpu_profile():
    runs = design.runs("cpu")
    assert len(set(runs)) == len(runs)
    assert {run.budget for run in runs} == {64, 128, 256} and len({run.dataset for run in runs}) == 10
    assert {run.dataset for run in runs if run.recipe in design.SWEEP} == {"ag_news", "isear", "polarity"}
    assert {run.dataset for run in runs if "mlm" in run.setting} == {"ag_news", "isear", "sms_spam"}
    assert {run.recipe for run in runs if "mlm" in run.setting} == {"paper"}


def test_small_budgets_of_all_data_sets_come_before_large_ones_of_any():
    for name, first in (("cpu", {64, 128}), ("paper", {64, 128})):
        seen = set()
        for run in design.runs(name):
            if run.budget not in first:
                break
            seen.add(run.dataset)
        assert seen == {*design.NINE, "docstrings"}


def test_runs_of_a_group_lie_together_within_a_block():
    starts = [design.group(run) for run in design.runs("cpu") if run.budget == 64 and run.recipe in ("paper", "trained")]
    changes = sum(a != b for a, b in pairwise(starts))
    assert changes < 2 * len(set(starts))


def test_groups_have_names():
    (run, *_), (swept, *_) = design.combine(["d"], "a/b", ["clust"]), design.combine(["d"], "a/b", ["base"], ["updates-10"])
    assert (design.group(run), design.group(swept)) == ("d.a-b.clust.sib.paper", "d.a-b.base.trained")
    words = design.combine(["d"], "e", ["mlm", "mlm+clust"], ["paper"])
    assert {design.group(run) for run in words} == {"d.e.mlm.paper"}


def test_other_data_sets_take_the_place_of_the_profiles():
    assert {run.dataset for run in design.runs("cpu", ["mine.csv"])} == {"mine.csv"}
    masked = [run for run in design.runs("paper", ["isear"]) if run.masks]
    assert design.shard(masked, "1/1", mlm_epochs=5) == masked and design._load(masked, 5) < design._load(masked, None)
    some = design.runs("paper", ["mine.csv"], budgets=[512, 64])
    assert some == [run for run in design.runs("paper", ["mine.csv"]) if run.budget in (64, 512)] and len(some) > 40
    assert {run.budget for run in design.runs("paper", ["20_newsgroups"], budgets=[64])} == {128}  # which stands in for it
    assert {run.budget for run in design.runs("paper", budgets=[768])} == {768}  # in some blocks only
    with pytest.raises(InputError, match="profile 'smoke' has no runs with 999 labels; it has "):
        design.runs("smoke", budgets=[999])
    assert not any(run.recipe in design.SWEEP for run in design.runs("cpu", ["mine.csv"]))
    assert any(run.recipe in design.SWEEP for run in design.runs("cpu", ["isear"]))
    with pytest.raises(InputError, match="unknown profile 'papr'; did you mean 'paper'"):
        design.runs("papr")


@pytest.mark.parametrize("number", [1, 2, 3, 7, 500])
def test_shards_divide_the_grid_by_groups(number):
    runs = design.runs("paper")
    shards = [design.shard(runs, f"{index}/{number}") for index in range(1, number + 1)]
    assert sum(map(len, shards)) == len(runs) == len(set().union(*shards))
    starts = [{design.group(run) for run in shard} for shard in shards]
    assert sum(map(len, starts)) == len(set().union(*starts))
    if number < 10:  # there are 70 groups to divide
        assert max(map(len, shards)) < 3 * min(map(len, shards))


@pytest.mark.parametrize("text", ["", "1", "0/4", "5/4", "1/0", "a/b", "-1/4", "1/4/4", "1 of 4"])
def test_shards_that_cannot_be(text):
    with pytest.raises(InputError, match="is not one of so many, such as 1/4"):
        design.shard(design.runs("smoke"), text)


def test_what_a_page_shows_and_what_replaces_its_parts():
    assert len(design.grid("d")) == 4
    assert len(design.grid("d", profile="cpu")) == 2 * 2 * 3 * 5
    assert len(design.grid("isear", profile="cpu")) == (2 * 2 + 2) * 3 * 5
    assert len(design.grid("isear", profile="paper")) == (2 * 2 + 2) * 8 * 5
    assert {run.budget for run in design.grid("20_newsgroups", profile="cpu")} == {128, 256}
    assert {run.budget for run in design.grid("d", profile="cpu", budgets=[8, 9], repetitions=2)} == {8, 9}
    assert {run.repetition for run in design.grid("d", profile="cpu", repetitions=2)} == {0, 1}
    with pytest.raises(InputError, match="unknown profile 'smok'; did you mean 'smoke'"):
        design.grid("d", profile="smok")
    with pytest.raises(InputError, match="repetitions"):
        design.grid("d", repetitions=-1)


def test_a_list_is_no_text_and_no_lone_value():
    assert design.several("names", ("a", "b")) == ["a", "b"] and design.several("seeds", range(2)) == [0, 1]
    assert design.several("classes", []) == []
    for given, least, says in (
        ("isear", 0, "names is 'isear', not a list; write it in brackets, to papermill as -y \"names: [isear]\""),
        (64, 0, "names is 64, not a list"),
        (None, 0, "names is None, not a list"),
        ([], 1, "names has 0 entries; give at least 1"),
    ):
        with pytest.raises(InputError) as caught:
            design.several("names", given, least)
        assert str(caught.value).startswith(says)


@pytest.mark.parametrize("given", [1, 9, 2.0, "2", True, None])
def test_a_whole_number_is_no_text_no_fraction_and_within_limits(given):
    assert design.whole("k", 2, 2, 8) == 2 and design.whole("k", 8, 2, 8) == 8
    with pytest.raises(InputError, match=f"k is {given!r}; give a whole number from 2 to 8"):
        design.whole("k", given, 2, 8)
    with pytest.raises(InputError, match=f"one of the ks is {given!r}; give a whole number of at least 10"):
        design.numbers("ks", [10, given], 10)


def test_how_many_texts_a_grid_reads():
    sizes = {"isear": (1000, 300)}
    plain = design.combine(["isear", "unknown"], "minilm", ["base"], ["paper"], [64], [0, 1])
    assert design.texts_read(plain, sizes) == {"isear": (2 * 10 * 64, 2 * 300)}
    inter = design.combine(["isear"], "minilm", ["clust", "mlm+clust", "mlm"], ["paper", "trained", "updates-10"], [64], [0])
    updates = 3 * (10 * 64 + 100 * 16 + 10 * 16)
    once = 2 * (1000 + 1000 + 30_000)  # two families of recipes: clusters, clusters after masked words, masked words once
    assert design.texts_read(inter, sizes) == {"isear": (updates + once, 9 * 300)}
