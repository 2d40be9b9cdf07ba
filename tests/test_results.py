"""The store: records are whole or absent, say when they were tampered with, and are never mixed."""

import contextlib
import resource
import signal

import pandas as pd
import pytest

from cluster_tune import design, results
from cluster_tune.errors import InputError


def record(run_id="a1", **changes):
    numbers = dict.fromkeys(results.NUMBERS, 1)
    texts = dict.fromkeys(set(results.COLUMNS) - results.NUMBERS - {*results.SHARES, *results.MEASURES}, "x")
    base = {**texts, **numbers, **dict.fromkeys(results.SHARES, 0.123456789), **dict.fromkeys(results.MEASURES, 3e-5)}
    return {**base, "run_id": run_id, "clustering": "", "n_clusters": 50, **changes}


def test_a_record_comes_back_as_it_went(store):
    path = results.write(record(dataset="names: ünï, \"quoted\""))
    assert results.read(path) == record(dataset="names: ünï, \"quoted\"")
    assert results.finished() == {"a1"}


def test_half_a_record_is_named_and_nothing_else_is_lost(store):
    whole, half = results.write(record("a1")), results.write(record("b2"))
    half.write_text(half.read_text()[:40])
    with pytest.raises(InputError, match="b2.json' is not whole; delete it"):
        results.load()
    assert whole.is_file()
    half.unlink()
    assert list(results.load()["run_id"]) == ["a1"]


def test_a_record_edited_by_hand_is_refused(store):
    path = results.write(record())
    path.write_text(path.read_text().replace("0.123456789", "0.99"))
    with pytest.raises(InputError, match="changed by hand; delete it"):
        results.load()


@pytest.mark.parametrize("text", ["[]", "3", '{"digest": 1}', ""])
def test_other_json_is_not_a_record(store, text):
    path = results.write(record())
    path.write_text(text)
    with pytest.raises(InputError, match="a1.json"):
        results.load()


@contextlib.contextmanager
def little_room():
    """Files may not grow beyond 200 bytes: the write fails half way, as on a full disk. Nothing may be printed within,
    since the output of the tests is a file too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_leaves_the_record_out_and_the_others_whole(store):
    small = results.write_atomically(store / "runs" / "note", b"kept")
    with pytest.raises(InputError, match="cannot write .* make room and run the same command again"), little_room():
        results.write(record())
    assert [path.name for path in (store / "runs").iterdir()] == ["note"]
    assert small.read_bytes() == b"kept"


def test_gathering_folds_records_into_one_table(store):
    results.write(record("a1", budget=128))
    assert len(results.gather()) == 1
    results.write(record("b2", budget=64))
    frame = results.gather()
    assert list(frame["run_id"]) == ["b2", "a1"]  # by their keys, here the budget
    assert list((store / "runs").glob("*.json")) == []
    assert list(results.load().columns) == results.COLUMNS
    pd.testing.assert_frame_equal(results.load(), frame)
    assert results.load()["accuracy"][0] == 0.123456789
    assert results.load()["clustering"][0] == ""


def test_a_record_of_another_version_is_named(store):
    whole = results.write(record("a1"))
    results.write({key: value for key, value in record("b2", cluster_tune="0.0.9").items() if key != "updates"})
    with pytest.raises(InputError, match="b2.json' was made by version 0.0.9 with other columns; gather it with that"):
        results.load()
    with pytest.raises(InputError, match="version 0.0.9"):
        results.gather()
    assert whole.is_file()


def test_two_versions_of_a_run_are_never_mixed(store):
    results.write_table("facts", {"dataset": "d"}, pd.DataFrame({"data_fingerprint": ["x"]}))
    run = design.Run("d", "e", "base", "paper", 64, 0)
    keys = {key: getattr(run, key) for key in results.KEYS}
    results.write(record("a1", **keys, n_clusters=0))
    assert len(results.of([run])) == 1
    results.write(record("b2", **keys, n_clusters=0, encoder_fingerprint="other", learning_rate=1e-4))
    with pytest.raises(InputError, match=r"2 runs of d .* versions \(encoder_fingerprint, learning_rate\); keep one"):
        results.of([run])


def test_one_run_is_looked_up_without_reading_all(store):
    assert not results.has("a1")
    results.write(record("a1"))
    assert results.has("a1") and not results.has("b2")
    results.gather()
    results.write(record("b2"))
    assert results.has("a1") and results.has("b2")
    results.gather()
    assert results.has("b2") and not results.has("c3")


def test_gathering_that_fails_keeps_the_records(store):
    path = results.write(record())
    with pytest.raises(InputError, match="make room"), little_room():
        results.gather()
    assert not (store / "runs.csv").exists() and results.read(path) == record()


def test_a_table_of_another_make_is_refused(store):
    results.write_atomically(store / "runs.csv", b"run_id,budget\na,many\n")
    with pytest.raises(InputError, match="cannot read .*runs.csv.* restore it"):
        results.load()


def test_an_empty_store_is_an_empty_frame(store):
    assert len(results.load()) == 0 and results.finished() == set()
    assert list(results.load().columns) == results.COLUMNS


def test_identities_depend_on_content_and_not_on_order():
    assert results.identity({"a": 1, "b": 2}) == results.identity({"b": 2, "a": 1})
    assert results.identity({"a": 1}) != results.identity({"a": 2})


def test_runs_of_other_data_are_not_those_asked_for(store):
    asked = design.combine(["d"], settings=["base"], recipes=["paper"], budgets=[64], repetitions=[0])
    keys = dict(dataset="d", encoder="minilm", setting="base", recipe="paper", budget=64, repetition=0)
    results.write(record("a1", **keys, data_fingerprint="old"))
    results.write(record("b2", **keys, data_fingerprint="new"))
    results.write(record("c3", **{**keys, "budget": 128}, data_fingerprint="new"))
    results.write_table("facts", {"dataset": "d"}, pd.DataFrame({"fact": ["f"], "data_fingerprint": ["new"]}))
    assert list(results.of(asked)["run_id"]) == ["b2"]
    assert list(results.of([*asked, *asked])["run_id"]) == ["b2"]  # asked for twice, there once


def test_tables_have_a_file_a_writer_and_their_keys_as_columns(store):
    for encoder in ("one", "two"):
        results.write_table("losses", {"dataset": "d", "encoder": encoder}, pd.DataFrame({"loss": [1.5, 2.5]}))
    assert results.table("losses", dataset="d", encoder="two")["loss"].tolist() == [1.5, 2.5]
    assert len(results.table("losses", dataset="d")) == 4
    assert len(results.table("losses", clustering="sib")) == 4  # a key that a table has not makes no difference
    says = "no losses in .* for dataset other; compute them with cluster-tune run, or on a page with -p compute=true$"
    with pytest.raises(InputError, match=says):
        results.table("losses", dataset="other")


def test_a_carriage_return_in_a_text_does_not_tear_a_table(store):
    texts = pd.DataFrame({"label": ["a\rb", "plain", ""], "text": ["one\rtwo", 'a "quote", and more', "c\r\nd"],
                          "value": [0.5, 1.25, 3]})
    before = results.content(texts.iloc[1:2])
    assert before == b'label,text,value\nplain,"a ""quote"", and more",1.25\n'  # bytes as ever where there is none
    results.write_table("examples", {"dataset": "d"}, texts)
    found = results.table("examples", dataset="d")
    assert found[["label", "text"]].to_numpy().tolist() == texts[["label", "text"]].to_numpy().tolist()
    assert found["value"].tolist() == ["0.5", "1.25", "3"]  # a column of texts in tables


def test_a_measure_that_is_no_number_comes_back_as_none(store):
    alike = pd.DataFrame({"texts": [40], "ed": [0.0], "ned": [float("nan")], "p": [1.0]})
    results.write_table("distances", {"dataset": "d"}, alike)
    found = results.table("distances", dataset="d")
    assert found["ned"].isna().all() and found["ned"].dtype == float and found["ed"].tolist() == [0]


def test_names_and_classes_that_look_like_numbers_stay_what_they_are(store):
    """A data set of a file 007.csv, with classes 01 and 1."""
    table = pd.DataFrame({"label": ["01", "1", "10"], "count": [3, 4, 5]})
    results.write_table("data", {"dataset": "007"}, table)
    found = results.table("data", dataset="007")
    assert found["dataset"].tolist() == ["007"] * 3 and found["label"].tolist() == ["01", "1", "10"]
    assert found["count"].sum() == 12


@pytest.mark.parametrize(
    "kind, command",
    [
        ("facts", "run"), ("projection", "run"), ("few_labels", "few-labels"), ("reference", "reference"),
        ("stability", "reference"),
    ],
)
def test_a_table_that_is_missing_names_the_command_that_computes_it(store, kind, command):
    says = f"no {kind} in .*; compute them with cluster-tune {command}, or on a page with -p compute=true$"
    with pytest.raises(InputError, match=says):
        results.table(kind)


def test_expanding_counts():
    counted = pd.DataFrame({"label": ["a", "b"], "count": [2, 1]})
    assert results.expand(counted)["label"].tolist() == ["a", "a", "b"]


def test_a_clustering_asked_for_leaves_out_the_others_and_keeps_what_uses_none(store):
    for run_id, clustering in (("a1", ""), ("b2", "sib"), ("c3", "kmeans")):
        results.write(record(run_id, clustering=clustering))
    assert set(results.load(clustering="sib")["run_id"]) == {"a1", "b2"}


def test_a_table_of_runs_that_has_one_twice_is_refused(store):
    """As after an edit, or a merge of two."""
    results.write(record("a1"))
    results.gather()
    path = store / "runs.csv"
    path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")
    with pytest.raises(InputError, match="run a1 is there twice.; restore it from the repository"):
        results.load()


def test_runs_with_other_clusters_stand_aside(store):
    results.write(record("a1"))
    results.write(record("b2", n_clusters=20))
    results.write(record("c3", inter_epochs=4))
    results.write(record("d4", n_clusters=0, setting="base"))
    assert set(results.load()["run_id"]) == {"a1", "d4"}
    assert results.finished() == {"a1", "b2", "c3", "d4"} == set(results.gather()["run_id"])


def test_of_runs_on_masked_words_as_many_with_either_number_the_larger_is_taken(store):
    for name, epochs in {"a1": 3, "b2": 30, "c3": 10}.items():
        results.write(record(name, setting="mlm", n_clusters=0, mlm_epochs=epochs))
    results.write(record("d4", setting="base", n_clusters=0, mlm_epochs=0))
    results.write(record("e5", n_clusters=20, setting="mlm+clust", mlm_epochs=10))
    assert set(results.load()["run_id"]) == {"b2", "d4"}
    assert set(results.load(passes=True)["run_id"]) == {"a1", "b2", "c3", "d4"}


def test_numbers_of_epochs_on_masked_words_are_never_mixed(store):
    """Nor between the two settings; and a run with more of them hides none that were finished before."""
    results.write(record("a1", setting="mlm", n_clusters=0, mlm_epochs=3, repetition=0))
    results.write(record("b2", setting="mlm+clust", mlm_epochs=3, repetition=0))
    results.write(record("c3", setting="mlm", n_clusters=0, mlm_epochs=30, repetition=0))
    assert set(results.load()["run_id"]) == {"a1", "b2"} and len(results.load(aside=True)) == 3
    results.write(record("d4", setting="mlm+clust", mlm_epochs=30, repetition=0))
    assert set(results.load()["run_id"]) == {"c3", "d4"}


def test_what_was_written_before_masked_words_is_read(store):
    results.write({key: value for key, value in record("b2").items() if key not in results.MLM})
    assert results.load()["mlm_epochs"].tolist() == [0]
    (store / "runs" / "b2.json").unlink()
    results.write(record("a1", mlm_learning_rate=0, mlm_epochs=0, mlm_duplicates=0))
    results.gather()
    path = store / "runs.csv"
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame.drop(columns=results.MLM).to_csv(path, index=False)
    assert results.load()["mlm_epochs"].tolist() == [0]


def test_a_benchmark_is_read_from_the_checkout():
    assert {"dataset", "package", "seconds", "peak_mb"} <= set(results.benchmark("sib"))
    with pytest.raises(InputError, match="make bench"):
        results.benchmark("nothing")


def test_the_sizes_of_the_data_sets_in_the_store(store):
    for name, extra in (("a", 0), ("b", 5)):
        counts = pd.DataFrame({"split": ["train", "train", "test", "dev"], "label": ["x", "y", "x", "x"],
                               "count": [3, 4, 2 + extra, 9]})
        results.write_table("data", {"dataset": name}, counts)
    assert results.sizes(["a", "b"]) == {"a": (7, 2), "b": (7, 7)}
