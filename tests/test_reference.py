"""The reference grid on a small corpus with vectors of its own: what is stored, paired, computed anew, and refused."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from cluster_tune import __main__, baselines, datasets, design, paths, reference, results, sampling, stats, tables
from cluster_tune.clustering import SIB
from cluster_tune.errors import InputError
from cluster_tune.text import bag_of_words

TOPICS = {topic: [f"{topic}{word}" for word in "ox elk cod yak bee ant emu hen owl ram".split()] for topic in "abc"}
BUDGETS, REPETITIONS = (60, 100), (0, 1)


def corpus(n=400, seed=0, own=0.7):
    """Texts of three topics, each with ten words of its own."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(list(TOPICS), n)
    words = sorted(word for topic in TOPICS.values() for word in topic)
    texts = [" ".join(rng.choice(TOPICS[label] if rng.random() < own else words, 12)) for label in labels]
    return pd.DataFrame({"text": texts, "label": labels})


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Everything in folders of the test: a corpus `small`, and vectors in which a topic's words are alike."""
    for name in ("results", "data", "glove", "cache"):
        monkeypatch.setenv(f"CLUSTER_TUNE_{name.upper()}", str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "glove").mkdir()
    rng = np.random.default_rng(0)
    centers = dict(zip(TOPICS, 4 * rng.normal(size=(3, 8)), strict=True))
    rows = [f"{word} {' '.join(map(str, centers[t] + rng.normal(size=8)))}" for t in TOPICS for word in TOPICS[t]]
    (tmp_path / "glove" / "glove.8d.txt").write_text("\n".join(rows) + "\n")
    corpus().to_csv(tmp_path / "small.csv", index=False)
    return tmp_path


def ensure(**more):
    heard = []
    options = {"budgets": BUDGETS, "repetitions": REPETITIONS, "seeds": (0, 1), **more}
    reference.ensure(["small.csv"], report=lambda event, facts: heard.append((event, facts)), **options)
    return heard


def plan(heard):
    return next(facts for event, facts in heard if event == "plan")


def refused(call, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_whole_grid_is_stored_and_nothing_is_done_twice(folders):
    heard = ensure()
    assert plan(heard) == {"dataset": "small", "wanted": 23, "missing": 23}
    frame = results.table("reference", dataset="small")
    assert len(frame) == 20 and not frame.duplicated(["method", "budget", "repetition"]).any()
    assert set(frame["method"]) == set(reference.METHODS) and frame["accuracy"].between(0.4, 1).all()
    assert (frame["vectors"] == np.where(frame["method"].str.endswith("glove"), "glove.8d", "")).all()
    before = {path: path.read_bytes() for path in paths.results().rglob("*.csv")}
    assert plan(ensure())["missing"] == 0
    assert before == {path: path.read_bytes() for path in paths.results().rglob("*.csv")}


def test_what_is_missing_is_added_to_what_is_there():
    ensure(methods=["nb_bow"], clusterings=[], budgets=[60])
    first = results.table("reference")
    heard = ensure(methods=["nb_bow", "svm_bow"], clusterings=[])
    assert plan(heard) == {"dataset": "small", "wanted": 8, "missing": 6}
    both = results.table("reference")
    assert len(both) == 8 and both.merge(first, how="inner").shape[0] == 2


def test_a_clustering_fitted_again_with_the_same_outcome_changes_no_table(folders, monkeypatch):
    """Its time is never the same; a table with another time in it would make every page that shows it stale."""
    ensure(seeds=(0,))
    before = {file: file.read_bytes() for file in (folders / "results" / "agreement").iterdir()}
    texts = reference.Texts(datasets.load("small.csv"))
    monkeypatch.setattr(reference.time, "monotonic", iter(range(0, 1000, 7)).__next__)
    reference.fit(texts, "sib", 0)
    assert {file: file.read_bytes() for file in before} == before
    reference.fit(texts, "sib", 1)
    stored = results.table("agreement", dataset="small", clustering="sib")
    assert stored["seed"].tolist() == [0, 1] and stored["seconds"].tolist()[1] == 7


def test_other_texts_make_another_table(folders):
    ensure(methods=["nb_bow"], clusterings=["sib"])
    corpus(seed=1).to_csv(folders / "small.csv", index=False)
    assert plan(ensure(methods=["nb_bow"], clusterings=["sib"]))["missing"] == 5
    assert results.table("reference")["data_fingerprint"].nunique() == 1
    assert results.table("agreement")["data_fingerprint"].nunique() == 1


def test_other_vectors_count_as_missing_and_none_do_not(folders):
    options = {"methods": ["nb_glove"], "clusterings": ["kmeans"]}
    ensure(**options)
    (folders / "glove" / "glove.8d.txt").rename(folders / "glove" / "glove.v2.8d.txt")
    assert plan(ensure(**options))["missing"] == 5
    assert set(results.table("reference")["vectors"]) == {"glove.v2.8d"}
    (folders / "glove" / "glove.v2.8d.txt").unlink()
    assert plan(ensure(**options))["missing"] == 0
    assert "cluster-tune data glove" in refused(ensure, methods=["svm_glove"], clusterings=[])


def test_the_classifiers_see_the_samples_of_the_fine_tuned_models():
    ensure(methods=["nb_bow", "svm_glove"], clusterings=[])
    data = datasets.load("small.csv")
    for row in results.table("reference").itertuples():
        sample = sampling.labelled_sample(len(data.train), row.budget, row.repetition)
        assert row.sample_fingerprint == sampling.fingerprint(sample, data.fingerprint)


def test_a_score_is_that_of_the_classifier_on_that_sample():
    ensure(methods=["nb_bow"], clusterings=[], budgets=[60], repetitions=[1])
    data = datasets.load("small.csv")
    counts, terms = bag_of_words(data.train["text"])
    rows = sampling.labelled_sample(len(counts.toarray()), 60, 1)
    model = baselines.fit("nb_bow", counts[rows], data.train["label"].to_numpy()[rows])
    right = model.predict(bag_of_words(data.test["text"], terms)[0]) == data.test["label"]
    assert results.table("reference")["accuracy"].item() == pytest.approx(right.mean(), abs=1e-6)


def test_agreement_and_stability_are_those_of_the_partitions():
    ensure(methods=[])
    data = datasets.load("small.csv")
    labels = [SIB(random_state=seed).fit(bag_of_words(data.train["text"])[0]).labels_ for seed in (0, 1)]
    found = results.table("agreement", clustering="sib").sort_values("seed")
    assert found["nmi"].tolist() == pytest.approx([stats.nmi(data.train["label"], each) for each in labels], abs=1e-6)
    assert (found["nmi"] > found["ami"]).all() and (found["n_clusters"] == 50).all()
    pair = results.table("stability", clustering="sib")
    assert pair[["seed", "other"]].to_numpy().tolist() == [[0, 1]]
    assert pair["ari"].item() == pytest.approx(stats.ari(*labels), abs=1e-6)
    assert set(results.table("agreement")["clustering"]) == {"sib", "kmeans", "hartigan"}


def test_the_first_seed_s_clusters_are_described():
    ensure(methods=[])
    for name in ("sib", "kmeans", "hartigan"):
        members = results.expand(results.table("partition", dataset="small", clustering=name))
        terms = results.table("clusters", dataset="small", clustering=name)
        assert len(members) == 280 and terms["size"].sum() == 280
        agreement = results.table("agreement", clustering=name).query("seed == 0")["nmi"].item()
        assert stats.nmi(members["label"], members["cluster"]) == pytest.approx(agreement, abs=1e-6)


def test_coverage_is_of_words_and_of_stems():
    ensure(methods=["nb_glove"], clusterings=[])
    found = results.table("coverage").set_index("tokens_are")
    assert found.loc["words", "covered"] == 1 and found.loc["stems", "covered"] < 1
    assert set(found["vectors"]) == {"glove.8d"} and set(found["texts"]) == {280}


def test_the_clusters_classifier_counts_the_classes_it_cannot_predict(folders):
    """One class of few texts, spread over clusters of another: no cluster is its own."""
    frame = corpus(own=1.0)
    frame.loc[np.flatnonzero(frame["label"] == "a")[::20], "label"] = "rare"
    frame.to_csv(folders / "small.csv", index=False)
    ensure(methods=["cluster_sib", "nb_bow"], clusterings=[])
    found = results.table("reference").query("method == 'cluster_sib'")
    assert (found["unpredictable_classes"] >= 1).any() and (found["accuracy"] > 0.7).all()
    others = results.table("reference").query("method == 'nb_bow'")
    assert (others["unpredictable_classes"] == others["missing_classes"]).all()


@pytest.mark.parametrize(
    "options, said",
    [
        ({"methods": ["nb"]}, "unknown reference method 'nb'"),
        ({"clusterings": ["k-means"]}, "did you mean 'kmeans'"),
        ({"budgets": [2]}, "below the 3 classes"),
        ({"budgets": [281]}, "above the 280 training texts"),
        ({"methods": ["cluster_sib"], "budgets": [40]}, "below the 50 clusters"),
        ({"budgets": 64}, "budgets is 64, not a list"),
        ({"repetitions": []}, "nothing to compute; give at least one budget, one repetition and one seed"),
        ({"methods": [], "seeds": ()}, "nothing to compute"),
        ({"seeds": [-1]}, "one of the seeds is -1; give a whole number of at least 0"),
    ],
)
def test_bad_requests(options, said):
    assert said in refused(ensure, **options)
    assert not list(paths.results().rglob("*.csv"))


def test_texts_too_much_alike_for_the_clusters(folders):
    frame = corpus()
    frame["text"] = np.where(frame["label"] == "a", "one text", "another text")
    frame.to_csv(folders / "small.csv", index=False)
    for name in ("sib", "kmeans", "hartigan"):
        if name != "sib":
            (folders / "glove" / "glove.8d.txt").write_text("text 1 2\none 1 3\nanother 2 5\n")
        assert "only 2 different" in refused(ensure, methods=[], clusterings=[name])


# Texts of one's own


def test_texts_to_label_first_are_spread_over_the_clusters(folders):
    frame = corpus()
    frame.loc[frame.index % 2 > 0, "label"] = ""
    frame.to_csv("half.csv", index=False)
    folder, _ = reference.cluster_file("half.csv", n_clusters=6, label_first=12)
    rows = pd.read_csv(folder / "clusters.csv", keep_default_na=False)
    chosen = rows[rows["label_first"] == "yes"]
    assert len(chosen) == 12 and set(chosen["label"]) == {""}
    assert set(chosen["cluster"]) == set(rows.loc[(rows["label"] == "") & (rows["cluster"] != ""), "cluster"])
    assert "each of which needs one" in refused(reference.cluster_file, "half.csv", n_clusters=6, label_first=3)
    assert "every text has a label" in refused(reference.cluster_file, "small.csv", n_clusters=6, label_first=12)
    says = "300 texts to label first are more than the 200 that have a word and no label; give fewer"
    assert says in refused(reference.cluster_file, "half.csv", n_clusters=6, label_first=300)


def test_a_file_is_clustered(folders):
    folder, found = reference.cluster_file("small.csv", n_clusters=6)
    rows, terms = pd.read_csv(folder / "clusters.csv"), pd.read_csv(folder / "terms.csv")
    assert str(folder) == "small-clusters" and rows["text"].tolist() == corpus()["text"].tolist()
    assert rows["row"].tolist() == list(range(1, 401)) and rows["cluster"].tolist() == found.labels.tolist()
    assert terms["size"].sum() == 400 and terms["size"].is_monotonic_decreasing and terms["terms"].str.len().min() > 2
    assert found.agreement["nmi"] == pytest.approx(stats.nmi(corpus()["label"], found.labels)) and found.notes == ()
    again = reference.cluster_file("small.csv", n_clusters=6, out="elsewhere")[1]
    assert np.array_equal(found.labels, again.labels)


@pytest.mark.parametrize(
    "rows",
    [np.random.default_rng(1).permutation(400), range(0, 400, 2), [*range(200), *range(200)]],
    ids=["permuted", "filtered", "repeated"],
)
def test_the_index_of_a_parquet_file_plays_no_part(folders, rows):
    frame = corpus().loc[rows]
    frame.to_parquet("indexed.parquet")
    frame.to_csv("plain.csv", index=False)
    found = [reference.cluster_file(name, n_clusters=6) for name in ("indexed.parquet", "plain.csv")]
    indexed, plain = ((folder / "clusters.csv").read_text() for folder, _ in found)
    rows, labels = pd.read_csv(found[0][0] / "clusters.csv"), found[0][1].labels
    assert indexed == plain and rows["cluster"].tolist() == labels.tolist()


def test_a_frame_of_any_index_meets_its_clusters_row_by_row(folders, monkeypatch):
    frame = corpus()
    monkeypatch.setattr(datasets, "read", lambda *_: frame.set_axis(range(399, -1, -1)))
    folder, found = reference.cluster_file("small.csv", n_clusters=6)
    rows = pd.read_csv(folder / "clusters.csv")
    assert rows["cluster"].tolist() == found.labels.tolist() and rows["text"].tolist() == frame["text"].tolist()


def test_a_file_is_not_written_over_by_its_own_clusters(folders):
    corpus().to_csv(folders / "clusters.csv", index=False)
    before = (folders / "clusters.csv").read_bytes()
    assert "'clusters.csv' would be written over" in refused(reference.cluster_file, "clusters.csv", out=".", n_clusters=6)
    assert (folders / "clusters.csv").read_bytes() == before


def test_texts_without_words_are_in_no_cluster(folders):
    frame = corpus().assign(label="")
    frame.loc[[3, 7], "text"] = ["", "the of and"]
    frame.to_csv(folders / "gaps.csv", index=False)
    folder, found = reference.cluster_file("gaps.csv", n_clusters=6)
    rows = pd.read_csv(folder / "clusters.csv")
    assert rows.index[rows["cluster"].isna()].tolist() == [3, 7] and found.terms["size"].sum() == 398
    assert found.notes == ("2 of 400 texts have no word to count and are in no cluster",) and found.agreement == {}


def test_agreement_is_over_the_texts_that_have_a_label():
    frame = corpus()
    known = frame["label"].where(frame.index < 50, "")
    found = reference.cluster(frame["text"], known, n_clusters=6)
    assert found.agreement["ari"] == pytest.approx(stats.ari(frame["label"][:50], found.labels[:50]))
    missing = reference.cluster(frame["text"], known.replace("", np.nan), n_clusters=6)
    assert missing.agreement == found.agreement


def test_fewer_terms_than_clusters_are_noted():
    found = reference.cluster(corpus()["text"], n_clusters=40)
    assert found.notes == ("the texts have only 30 terms for 40 clusters; fewer clusters would say as much",)


@pytest.mark.parametrize(
    "texts, said",
    [
        (["", "..."] * 50, "no words left to count"),
        (["all alike"] * 60, "only 1 different set of words, too few for 50 clusters; give texts that are not all alike"),
        ([f"word{i}" for i in range(49)],
         "49 different sets of words, too few for 50 clusters; give at most 49 clusters, or more texts"),
    ],
)
def test_texts_that_cannot_be_clustered(texts, said):
    assert said in refused(reference.cluster, texts)


def test_what_is_foreseen_of_too_many_clusters(monkeypatch):
    """Texts that differ in order alone: one bag of words for sIB, and nothing is known of others or of too many texts."""
    train = pd.Series(["ox elk", "elk ox", "cod yak", "yak cod"])
    assert "only 2 different sets of words, too few for 3 clusters" in refused(reference.foresee, train, "sib", 3)
    reference.foresee(train, "sib", 2)
    reference.foresee(train, "kmeans", 3)
    assert "only 4 different sets" in refused(reference.foresee, train, "kmeans", 5)
    monkeypatch.setattr(reference, "FORESEEN", 3)
    reference.foresee(train, "sib", 3)
    assert "only 4 different sets" in refused(reference.foresee, train, "sib", 5)


def test_too_few_clusters_seeds_out_of_range_and_files_that_are_none(folders):
    assert "1 is too few clusters" in refused(reference.cluster, ["a b"] * 5, n_clusters=1)
    for seed in (-1, 2**32):
        said = refused(reference.cluster, corpus()["text"], n_clusters=6, seed=seed)
        assert said == f"seed {seed} is out of range; give one between 0 and 2**32 - 1"
    assert len(reference.cluster(corpus()["text"], n_clusters=6, seed=2**32 - 1).labels) == 400
    (folders / "none.txt").write_text("")
    (folders / "none").mkdir()
    assert "there is no file 'none.csv'; give" in refused(reference.cluster_file, "none.csv")
    says = "'none.txt' is no .csv, .tsv, .jsonl or .parquet file; save it"
    assert says in refused(reference.cluster_file, "none.txt")
    assert "'none' is a folder; give the path of a .csv" in refused(reference.cluster_file, "none")
    assert "--text-column" in refused(reference.cluster_file, "small.csv", text_column="body")
    assert "--label-column" in refused(reference.cluster_file, "small.csv", label_column="class")


# The commands


def test_the_command_cluster(folders, capsys):
    assert __main__.main(["cluster", "small.csv", "--clusters", "6", "--out", "found"]) == 0
    out = capsys.readouterr().out
    assert "400 texts in 6 clusters" in out and "with the labels: NMI 0." in out and (folders / "found").is_dir()
    assert __main__.main(["cluster", "small.csv", "--clusters", "500"]) == 2
    assert not (folders / "small-clusters").exists()
    assert capsys.readouterr().err.splitlines()[-1].startswith("cluster-tune: the 400 texts have only")


def test_the_command_reference_without_vectors(folders, capsys):
    (folders / "glove" / "glove.8d.txt").unlink()
    few = ["reference", "small.csv", "--budgets", "60", "--repetitions", "1"]
    assert __main__.main(few) == 2
    assert "cluster-tune data glove" in capsys.readouterr().err.splitlines()[-1]
    assert __main__.main([*few, "--without-glove"]) == 0
    assert "small svm_bow: mean accuracy" in capsys.readouterr().out
    assert set(results.table("reference")["method"]) == {"nb_bow", "svm_bow", "cluster_sib"}


def test_the_command_reference_says_what_it_leaves_out(capsys):
    few = ["reference", "small.csv", "--budgets", "16,32,60", "--repetitions", "1", "--without-glove"]
    assert __main__.main(few) == 0
    out = capsys.readouterr().out.splitlines()
    assert "small cluster_sib: left out with 16, 32 labels, fewer than its 50 clusters" in out
    found = results.table("reference", dataset="small")
    assert found.groupby("method")["budget"].agg(list).to_dict() == {
        "cluster_sib": [60], "nb_bow": [16, 32, 60], "svm_bow": [16, 32, 60]
    }
    assert tables.MISSING in tables.reference_curve_table(found).loc[16].to_list()


def test_the_command_data_takes_glove(capsys):
    assert __main__.main(["data", "glove"]) == 0 and capsys.readouterr().out == "glove: glove.8d\n"


def test_no_torch_is_loaded_on_the_way():
    code = "import sys; from cluster_tune.__main__ import main; main(['cluster', 'small.csv']); print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "False"


def test_the_runs_of_a_page_bring_their_reference_methods(store, sea_and_sky, tmp_path):
    """Fewer labels than clusters leave the clusters out as a classifier there; naive Bayes and the SVM stay."""
    sea_and_sky.to_csv(tmp_path / "texts.csv", index=False)
    runs = design.combine([str(tmp_path / "texts.csv")], budgets=[8, 64], repetitions=[0])
    reference.ensure_beside(runs)
    found = results.table("reference", dataset="texts")
    methods = found.groupby("budget")["method"].agg(set).to_dict()
    assert methods == {8: {"nb_bow", "svm_bow"}, 64: {"nb_bow", "svm_bow", "cluster_sib"}}
    assert set(results.table("agreement", dataset="texts")["clustering"]) == {"sib"}


def test_some_texts_are_stored_with_their_clusters_and_only_where_allowed(folders, monkeypatch):
    ensure(methods=[], clusterings=["sib"], seeds=(0,))
    members, train = results.table("members", dataset="small"), datasets.load("small.csv").train
    assert members["row"].tolist() == list(range(len(train)))
    assert members["text"].tolist() == train["text"].str[:120].tolist()
    sizes = results.table("clusters", dataset="small", clustering="sib").set_index("cluster")["size"]
    assert members["cluster"].value_counts().to_dict() == sizes.to_dict()
    stored = paths.results() / "members" / "small.csv"
    before = stored.read_bytes()
    stored.unlink()
    ensure(methods=[], clusterings=["sib"], seeds=(0,))  # what was computed before there was such a table
    assert stored.read_bytes() == before
    monkeypatch.setattr(datasets, "excerpts_allowed", lambda name: False)
    stored.unlink()
    ensure(methods=[], clusterings=["sib"], seeds=(0,))
    assert set(results.table("members", dataset="small")["text"]) == {""}
