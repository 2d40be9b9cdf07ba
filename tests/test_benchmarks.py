"""What the benchmarks of training count, without training: what was computed in a go at the grid, and which goes are kept."""

import importlib.util
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from cluster_tune import datasets, design, encoders, experiment, results

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def training():
    """`benchmarks/training.py`, which finds the benchmark beside it on the path."""
    spec = importlib.util.spec_from_file_location("benchmark_training", FOLDER / "training.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        spec.loader.exec_module(module)
    return module


def test_every_way_is_measured_by_the_best_rate_of_matrix_products(training, monkeypatch):
    measured = iter([(10, 4, 0.2, 50), (20, 8, 0.2, 100), (40, 16, 0.8, 50), (80, 32, 0.9, 80)])  # the last on a card only

    def served(processes, way, *inputs):
        train, predict, share, rate = next(measured)
        return [{"way": way, "train_texts_a_second": train, "predict_texts_a_second": predict, "peak_mb": 1,
                 "matrix_share": share, "matrix_rate": rate}]  # fmt: skip

    monkeypatch.setattr(training, "served", served)
    frame = training.speed("ag_news", 8, 1).head(3)
    assert frame["way"].tolist() == ["authors", "tuned", "ours"] and "matrix_rate" not in frame
    assert frame["matrix_share"].tolist() == pytest.approx([0.1, 0.2, 0.4])
    assert frame["ours_is_train_times"].tolist() == [4, 2, 1] and frame["ours_is_predict_times"].tolist() == [4, 2, 1]


def test_a_go_at_the_grid_counts_what_was_computed_in_it(training, monkeypatch):
    wanted = [run for run in design.runs("paper") if run.dataset == "isear" and run.budget == 64]
    stores = iter([[run for run in wanted if not run.masks], wanted])
    commands = []
    monkeypatch.setattr(experiment, "survey", lambda runs: (wanted, next(stores), []))
    monkeypatch.setattr(subprocess, "run", lambda command: commands.append(command) or subprocess.CompletedProcess(command, 1))
    row = training.grid("paper", 3, "isear").iloc[0]
    assert commands[0][1:] == ["-m", "cluster_tune", "grid", "--profile", "paper", "--processes", "3", "--datasets", "isear"]
    masked = [run for run in wanted if run.masks]
    assert (row["runs"], row["of"], row["processes"]) == (len(masked), len(wanted), 3)
    # Of the data set's models: one on masked words, and one on the clusters after it for each family of recipes.
    assert row["on_words"] == 1 and row["on_clusters"] == len({design.family(run.recipe) for run in masked if run.clusters}) > 0
    assert row["seconds"] >= 0 and row["machine"]


def test_where_nothing_was_computed_there_is_nothing_to_measure(training, monkeypatch):
    monkeypatch.setattr(experiment, "survey", lambda runs: (runs, runs, []))
    monkeypatch.setattr(subprocess, "run", lambda command: subprocess.CompletedProcess(command, 0))
    assert training.grid("smoke", 1).empty


def test_goes_at_a_profile_are_kept_until_they_are_more_than_it(training, tmp_path):
    def go(runs, machine="1 card", profile="paper"):
        return pd.DataFrame([{"profile": profile, "runs": runs, "of": 100, "machine": machine}])

    file = tmp_path / "grid.csv"
    for row in (go(70), go(40, machine="2 cores"), go(30, profile="cpu"), go(30)):
        training.after_others(file, row).to_csv(file, index=False)
    assert pd.read_csv(file)["runs"].tolist() == [70, 40, 30, 30]
    assert training.after_others(file, go(100))["runs"].tolist() == [40, 30, 100]


def test_parts_count_each_model_once_and_repetitions_together(training, monkeypatch):
    some = [run for run in design.runs("paper") if run.dataset == "ag_news" and run.budget == 64 and run.recipe == "paper"
            and run.setting in ("base", "clust") and run.clustering in ("", "sib", None)]  # fmt: skip
    assert len(some) == 10
    monkeypatch.setattr(design, "runs", lambda profile: some)
    found, recipe = training.counts("paper", "ag_news"), design.RECIPES["paper"]
    size = recipe.batch_size
    assert found[f"an update of five models, batches of {size}"] == 2 * recipe.updates(64)
    assert found["an update on masked words"] == 0
    train, test = results.sizes(list(datasets.shown()))["ag_news"]
    assert found["an update on clusters"] == -(-train // training.BATCH)
    assert found[f"predictions of five models for {training.SOME:,} texts"] == pytest.approx(2 * test / training.SOME)


def test_padding_is_counted_by_the_set_and_by_the_batch(training, monkeypatch):
    texts = ["sea"] * 32 + ["sea " * 200]  # 3 word pieces each with the special ones, and 202, of which 128 are read in training
    monkeypatch.setattr(training, "data", lambda dataset, most: (encoders.resolve("minilm"), texts[:1], texts, None))
    found = training.padding("any", 33).set_index("way")["pieces"]
    assert found.to_dict() == pytest.approx({"texts": (32 * 3 + 128) / 33, "authors": 128, "authors' code": (32 * 3 + 202) / 33})
