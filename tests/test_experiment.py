"""From runs to records on a tiny encoder: what is computed, what is not computed again, and what is shared."""

import pytest

from cluster_tune import design, encoders, experiment, paths, results
from cluster_tune.errors import InputError


@pytest.fixture
def asked(store, tiny_folder, sea_and_sky, tmp_path):
    """A file of texts and the tiny encoder: the runs of two settings, two recipes, two budgets."""
    sea_and_sky.to_csv(tmp_path / "Sea and Sky.csv", index=False)
    return design.runs([str(tmp_path / "Sea and Sky.csv")], str(tiny_folder), budgets=[8, 16], repetitions=[0, 1])


@pytest.fixture
def heard():
    return []


@pytest.fixture
def ensure(heard):
    """`experiment.ensure` in single precision, with what it reports collected in `heard`."""
    return lambda runs, **more: experiment.ensure(
        runs, precision="fp32", report=lambda event, facts: heard.append((event, facts)), **more
    )


def events(heard, kind):
    return [facts for event, facts in heard if event == kind]


def test_everything_asked_for_is_there_and_nothing_is_done_twice(asked, ensure, heard):
    ensure(asked)
    frame = results.of(experiment.named(asked))
    assert len(frame) == len(asked) == 16
    assert set(frame["dataset"]) == {"sea_and_sky"} and set(frame["encoder"]) == {"tiny"}
    assert frame["accuracy"].between(0, 1).all() and frame["macro_f1"].between(0, 1).all()
    assert set(frame.query("recipe == 'paper'")["updates"]) == {10}
    assert set(frame.query("recipe == 'trained'")["updates"]) == {100}
    stages = [facts["what"] for facts in events(heard, "stage")]
    assert sum("clustering" in what for what in stages) == 1
    trained = [facts for facts in events(heard, "update") if "inter-training" in facts["what"]]
    assert sum(facts["update"] == 1 for facts in trained) == 2  # one a recipe
    heard.clear()
    ensure(asked)
    assert [event for event, _ in heard] == ["plan"] and heard[0][1]["missing"] == 0


def test_every_setting_and_recipe_sees_the_same_samples(asked, ensure):
    ensure(asked)
    frame = results.of(experiment.named(asked))
    assert (frame.groupby(["budget", "repetition"])["sample_fingerprint"].nunique() == 1).all()
    assert frame["sample_fingerprint"].nunique() == 4


def test_what_the_pages_show_is_stored(asked, ensure):
    ensure(asked)
    this = {"dataset": "sea_and_sky", "encoder": "tiny"}
    counts = results.table("data", **this)
    assert counts.groupby("split")["count"].sum().to_dict() == {"train": 280, "dev": 40, "test": 80}
    assert results.table("clusters", **this)["size"].sum() == 280
    assert results.table("partition", **this)["count"].sum() == 280
    assert results.table("lengths", **this)["count"].sum() == 280
    losses = results.table("losses", **this)
    assert losses.groupby("recipe")["update"].max().to_dict() == {"paper": 5, "trained": 5}
    points = results.table("projection", **this)
    assert points.groupby(["setting", "recipe"]).size().tolist() == [280, 280, 280]
    assert set(results.table("distances", **this)["setting"]) == {"base", "clust"}


def test_an_interruption_loses_at_most_the_run_in_flight(asked, heard):
    def stop(event, facts):
        heard.append((event, facts))
        if len(events(heard, "run")) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        experiment.ensure(asked, precision="fp32", report=stop)
    assert len(results.load()) == 5
    before = results.load().set_index("run_id")["accuracy"]
    heard.clear()
    experiment.ensure(asked, precision="fp32", report=lambda event, facts: heard.append((event, facts)))
    assert len(events(heard, "run")) == 11
    after = results.load().set_index("run_id")["accuracy"]
    assert (after[before.index] == before).all() and len(after) == 16


def test_a_run_interrupted_and_resumed_ends_as_it_would_have(asked, ensure, store, monkeypatch, tmp_path):
    ensure(asked)
    whole = results.load().set_index("run_id")["accuracy"]
    monkeypatch.setenv("CLUSTER_TUNE_RESULTS", str(tmp_path / "again"))
    for part in (asked[10:], asked[:3], asked):
        ensure(part)
    assert results.load().set_index("run_id")["accuracy"].to_dict() == whole.to_dict()


def test_inter_trained_weights_are_deleted_when_their_runs_are_done(asked, ensure):
    ensure(asked)
    assert list(paths.models().glob("*")) == []


def test_other_data_under_the_same_name_are_other_runs(asked, ensure, heard, sea_and_sky, tmp_path):
    ensure(asked[:2])
    sea_and_sky[:300].to_csv(tmp_path / "Sea and Sky.csv", index=False)
    heard.clear()
    ensure(asked[:2])
    assert len(events(heard, "run")) == 2
    assert len(results.load()) == 4 and len(results.of(experiment.named(asked[:2]))) == 2


def test_identities_hold_what_decides_a_run_and_nothing_else():
    base, clust = design.runs(["d"], recipes=["paper"], budgets=[64], repetitions=[0])
    recipe = design.recipe("paper")
    slower = design.recipe("paper", inter_learning_rate=1e-6)
    known = (recipe, "data", "weights", "mean")
    assert experiment.identity(base, *known) == experiment.identity(base, slower, *known[1:])
    assert experiment.identity(clust, *known) != experiment.identity(clust, slower, *known[1:])
    assert experiment.identity(base, *known) != experiment.identity(base, recipe, "other", *known[2:])
    assert experiment.identity(base, *known) != experiment.identity(base, recipe, "data", "weights", "pooler")


def test_an_encoder_brings_its_own_rates():
    minilm = encoders.resolve("minilm")
    assert experiment.recipe_for("paper", minilm) == design.RECIPES["paper"]
    assert experiment.recipe_for("trained", minilm).learning_rate == 1e-4


@pytest.mark.parametrize("budget, says", [(1, "below the 2 classes"), (281, "above the 280 training texts")])
def test_a_budget_that_cannot_be_stops_before_anything_is_trained(asked, ensure, heard, budget, says):
    runs = design.runs([asked[0].dataset], asked[0].encoder, budgets=[8, budget], repetitions=[0])
    with pytest.raises(InputError, match=says):
        ensure(runs)
    assert heard == []


def test_settings_to_come_say_so(asked, ensure):
    runs = design.runs([asked[0].dataset], asked[0].encoder, settings=["mlm"], budgets=[8], repetitions=[0])
    with pytest.raises(InputError, match="setting 'mlm' cannot be run here yet"):
        ensure(runs)
