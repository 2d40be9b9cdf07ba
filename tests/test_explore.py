"""A try with numbers of a reader's own, on two topics and an encoder small enough to train here."""

import pandas as pd
import pytest

from cluster_tune import explore, pages, paths, sampling
from cluster_tune.errors import InputError, unknown


@pytest.fixture
def file(tmp_path, sea_and_sky, store):
    path = tmp_path / "own.csv"
    sea_and_sky.to_csv(path, index=False)
    return path


def test_texts_are_cut_to_classes_and_to_a_number():
    data = explore.texts("docstrings-small", ["sympy", "numpy"], most=50)
    assert data.classes == ("numpy", "sympy") and set(data.train["label"]) == {"numpy", "sympy"}
    assert len(data.train) == 50 and list(data.train.index) == list(range(50))


@pytest.mark.parametrize("most, labelled, others", [(1000, 70, 300), (100, 50, 50), (360, 70, 290)])
def test_texts_without_a_label_are_clustered_and_never_drawn(file, most, labelled, others, monkeypatch):
    frame = pd.read_csv(file)
    frame.loc[100:, "label"] = ""
    frame.to_csv(file, index=False)
    data = explore.texts(str(file), most=most)
    assert (data.labelled, len(data.train)) == (labelled, labelled + others)
    assert (data.train["label"].iloc[labelled:] == "").all() and "" not in data.classes
    found = explore.cluster(data, 4)
    assert len(found.labels) == labelled + others and found.agreement["nmi"] > 0.3
    drawn = []
    monkeypatch.setattr(sampling, "labelled_sample", lambda *given: drawn.append(given) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        explore.compare(data, found.labels, 1, 16)
    assert drawn == [(labelled, 16, 0)]
    chosen = explore.texts(str(file), ["sea", "sky"], most=most)
    assert chosen.labelled == len(chosen.train) == min(70, most)


@pytest.mark.parametrize("classes, words", [(["numpie"], "did you mean 'numpy'"), (["numpy"], "one class leaves nothing")])
def test_classes_that_cannot_be_compared_are_one_line(classes, words):
    with pytest.raises(InputError, match=words):
        explore.texts("docstrings-small", classes)


def test_classes_that_are_numbers_are_text(file):
    frame = pd.read_csv(file)
    frame.assign(label=frame["label"].map({"sea": "1", "sky": "02"})).to_csv(file, index=False)
    given = pages.arguments(paths.root() / "notebooks" / "explore.ipynb", "explore", {"classes": "1,02"})
    assert explore.texts(str(file), given["classes"]).classes == ("02", "1")
    for classes in ([1, 3], "1,3"):
        given = pages.arguments(paths.root() / "notebooks" / "explore.ipynb", "explore", {"classes": classes})
        with pytest.raises(InputError, match="unknown class '3'; known: 02, 1"):
            explore.texts(str(file), given["classes"])
    with pytest.raises(InputError, match="one class leaves nothing"):
        explore.texts(str(file), [1, "1"])
    assert str(unknown("number", 12, ["120", "7"])) == "unknown number '12'; did you mean '120'?"


def test_another_number_of_clusters_makes_other_clusters(file):
    data = explore.texts(str(file))
    few, many = explore.cluster(data, 2), explore.cluster(data, 8)
    assert (len(set(few.labels)), len(set(many.labels))) == (2, 8)
    assert len(few.labels) == len(data.train) and few.labels.min() >= 0
    assert list(explore.agreement(few)) == ["NMI", "AMI", "ARI"] and float(explore.agreement(few)["NMI"].iloc[0]) > 0.5


def test_both_settings_are_trained_and_said_in_words(file, tiny_folder, tmp_path):
    data = explore.texts(str(file))
    found = explore.cluster(data, 4)
    tried = explore.compare(data, found.labels, updates=30, budget=32, encoder=str(tiny_folder))
    assert list(tried.scores["setting"]) == ["base", "clust"] and tried.scores["accuracy"].between(0, 1).all()
    assert len(tried.losses) == -(-len(data.train) // 64)
    again = explore.compare(data, found.labels, updates=30, budget=32, encoder=str(tiny_folder))
    pd.testing.assert_frame_equal(tried.scores, again.scores)
    assert list(explore.outcome(tried)["Setting"]) == ["plain", "IT:CLUST"]
    assert "With 32 labels and 30 updates IT:CLUST is" in explore.in_words(tried, data, 32, 30)
    assert not list((tmp_path / "results").glob("runs/*"))  # nothing is stored


def test_the_words_follow_the_numbers():
    scores = pd.DataFrame({"setting": ["base", "clust"], "accuracy": [0.5, 0.45], "macro_f1": [0.5, 0.5]})
    data = explore.texts("docstrings-small", most=100)
    said = explore.in_words(explore.Tried(scores, pd.DataFrame()), data, 64, 40)
    assert "IT:CLUST is 5.0 points below plain on 100 test texts" in said
    assert "of up to 7.1 points" in said  # the root of 0.5 x 0.5 / 100 + 0.45 x 0.55 / 100, by hand


@pytest.mark.parametrize(
    "updates, budget, repetition, says",
    [
        (0, 64, 0, "updates is 0; give a whole number of at least 1"),
        (1.5, 64, 0, "updates is 1.5; give a whole number"),
        (40, 3, 0, "below the 10 classes"),
        (40, "abc", 0, "budget is 'abc'; give a whole number"),
        (40, 64, -1, "repetition is -1; give a whole number of at least 0"),
    ],
)
def test_numbers_that_cannot_be_are_one_line(updates, budget, repetition, says):
    data = explore.texts("docstrings-small", most=100)
    with pytest.raises(InputError, match=says):
        explore.compare(data, [0] * len(data.train), updates, budget, repetition)


@pytest.mark.parametrize("length", [7, 513, 16.0])
def test_texts_are_cut_within_limits(length):
    data = explore.texts("docstrings-small", most=100)
    with pytest.raises(InputError, match=f"max_length is {length}; give a whole number from 8 to 512"):
        explore.compare(data, [0] * len(data.train), 10, 64, max_length=length)


def test_the_notebook_takes_other_numbers():
    template = paths.root() / "notebooks" / "explore.ipynb"
    given = pages.arguments(template, "explore", {"n_clusters": "5", "classes": "numpy,pandas", "updates": "10"})
    assert given == {"n_clusters": 5, "classes": ["numpy", "pandas"], "updates": 10}
    with pytest.raises(InputError, match="did you mean 'n_clusters'"):
        pages.arguments(template, "explore", {"clusters": "5"})
