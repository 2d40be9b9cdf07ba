"""Labels for the rest of a file, on two topics and an encoder small enough to train here."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cluster_tune import __main__, encoders, labelling, training
from cluster_tune.errors import InputError

QUICK = {"recipe": "updates-10", "n_clusters": 4, "folds": 2, "device": "cpu", "precision": "fp32"}


@pytest.fixture
def file(tmp_path, sea_and_sky, monkeypatch):
    """The 400 texts with every fifth of them labelled and one empty; the working folder is the test's own."""
    monkeypatch.chdir(tmp_path)
    frame = sea_and_sky.copy()
    frame.loc[frame.index % 5 > 0, "label"] = ""
    frame.loc[7, "text"] = " "
    frame.to_csv("own.csv", index=False)
    return "own.csv"


@pytest.fixture
def learn(tiny_folder):
    return lambda path, **more: labelling.learn(path, **{**QUICK, "encoder": str(tiny_folder), **more})


def test_the_rest_of_a_file_is_labelled(file, learn, sea_and_sky, tiny_folder, monkeypatch):
    """The topics of these texts share few words, so that nearly all labels come out as the topics that made the texts."""
    quick = replace(encoders.resolve(str(tiny_folder)), rates={"trained": {"learning_rate": 3e-3}})
    monkeypatch.setattr(encoders, "resolve", lambda name: quick)
    found = learn(file, recipe="trained", settings=["base"], folds=0)
    table = pd.read_csv("own-labels/labels.csv", keep_default_na=False)
    assert table["row"].tolist() == list(range(1, 401)) and table["how"].value_counts().to_dict() == {
        "predicted": 319, "given": 80, "empty": 1}
    assert table.loc[7, ["label", "how", "probability"]].tolist() == ["", "empty", ""]
    given, predicted = table[table["how"] == "given"], table[table["how"] == "predicted"]
    assert (given["label"] == sea_and_sky.loc[given.index, "label"]).all()
    assert (predicted["label"] == sea_and_sky.loc[predicted.index, "label"]).mean() > 0.9
    assert predicted["probability"].astype(float).between(0.5, 1).all()  # of two classes
    assert found.setting == "base" and found.checks.empty


def test_each_setting_is_checked_on_folds_that_it_has_not_seen(file, learn):
    found = learn(file)
    checks = pd.read_csv("own-labels/checks.csv")
    assert checks.groupby("setting")["texts"].sum().to_dict() == {"base": 80, "clust": 80}
    assert found.checks["accuracy"].between(0, 1).all() and found.commonest >= 0.5
    assert found.setting == found.checks.groupby("setting")["accuracy"].mean().idxmax()


def test_of_two_settings_alike_the_plain_one_is_used():
    rows = [("clust", 0.8), ("clust", 0.6), ("base", 0.7), ("base", 0.7)]
    assert labelling._best(pd.DataFrame(rows, columns=["setting", "accuracy"])) == "base"


def test_a_kept_model_says_the_same_of_the_same_texts(file, learn, tiny_folder):
    table = learn(file).table
    table[["row", "text"]].to_csv("new.csv", index=False)
    again = labelling.apply("new.csv", "own-labels/model", device="cpu", precision="fp32").table
    rest = table["how"] == "predicted"
    assert (again["label"][rest] == table["label"][rest]).all()
    assert np.allclose(again["probability"][rest], table["probability"][rest], atol=2e-4)
    whole, kept = encoders.resolve(str(tiny_folder)), encoders.resolve("own-labels/model")
    assert kept.pooling == whole.pooling and encoders.tokenizer(kept)("sea").input_ids == encoders.tokenizer(whole)("sea").input_ids


def test_work_that_was_stopped_goes_on(file, learn, monkeypatch):
    """Stopped after three checks of four: the fourth and the last training are all that is left, with the same outcome."""
    whole = learn(file, out="whole")

    class Stop(Exception):
        pass

    said = []

    def report(event, facts):
        said.append((event, facts))
        if sum(event == "done" for event, _ in said) == 3:
            raise Stop

    with pytest.raises(Stop):
        learn(file, report=report)
    file_folder = whole.folder.parent / "own-labels"
    assert list(file_folder.glob(".inter-trained.*")) and not (file_folder / "model").exists()
    trained, train = [], training.train
    monkeypatch.setattr(training, "train", lambda *given, **more: trained.append(1) or train(*given, **more))
    rest = learn(file)
    assert len(trained) == 2
    pd.testing.assert_frame_equal(rest.table, whole.table)
    pd.testing.assert_frame_equal(rest.checks, whole.checks)
    assert not list(file_folder.glob(".*"))


def test_checks_of_other_texts_are_not_taken(file, learn):
    learn(file, settings=["base"])
    frame = pd.read_csv(file, keep_default_na=False)
    frame.loc[1, "label"] = "sea"
    frame.to_csv(file, index=False)
    assert learn(file, settings=["base"]).checks["texts"].sum() == 81


@pytest.mark.parametrize("labels, says", [
    (["sea", "sky"] * 4, "8 texts of 'few.csv' have a label; label at least 10"),
    (["sea"] * 12, "all labels of 'few.csv' are 'sea'"),
    (["sea"] * 12 + ["sky"], "class 'sky' of 'few.csv' has a single text"),
])
def test_too_few_labels_are_one_line(labels, says, sea_and_sky, tmp_path, monkeypatch, learn):
    monkeypatch.chdir(tmp_path)
    sea_and_sky.assign(label=[*labels, *[""] * (400 - len(labels))]).to_csv("few.csv", index=False)
    with pytest.raises(InputError, match=says):
        learn("few.csv")
    assert not (tmp_path / "few-labels").exists()


@pytest.mark.parametrize("given, says", [
    ({"settings": ["mlm"]}, "unknown setting 'mlm'"), ({"folds": 1}, "1 folds do not tell"),
    ({"folds": 0}, "give at least 2, or 0"), ({"folds": 81}, "81 folds are more than the 80"),
    ({"n_clusters": 500}, "clusters"), ({"seed": -1}, "seed is -1"),
    ({"recipe": "best"}, "unknown recipe 'best'"), ({"label_column": "topic"}, "has no column 'topic'"),
])
def test_what_cannot_be_asked_for_is_one_line_and_leaves_nothing(given, says, file, learn, tmp_path):
    with pytest.raises(InputError, match=says):
        learn(file, **given)
    assert not (tmp_path / "own-labels").exists()


def test_a_folder_without_a_model_and_a_spoiled_one_are_one_line(file, learn, tiny_folder):
    with pytest.raises(InputError, match="holds no model of this command"):
        labelling.apply(file, str(tiny_folder))
    learn(file, settings=["base"], folds=0)
    model = labelling.Path("own-labels/model")
    about = json.loads((model / labelling.ABOUT).read_text())
    (model / labelling.ABOUT).write_text(json.dumps(about | {"classes": ["a", "b", "c"]}))
    with pytest.raises(InputError, match="is damaged, or of another model"):
        labelling.apply(file, str(model))
    damaged = [{"max_length": "x"}, {"max_length": 0}, {"classes": "ab"}, {"classes": [1, 2]}, {"classes": 2}, {"setting": "mlm"}]
    for content in ("{", "[]", "[" * 100_000, *(json.dumps(about | change) for change in damaged)):
        (model / labelling.ABOUT).write_text(content)
        with pytest.raises(InputError, match="is damaged; learn the model again"):
            labelling.apply(file, str(model))


def test_the_command_says_what_to_expect_and_where_it_is(file, tiny_folder, capsys):
    how = ["--encoder", str(tiny_folder), "--recipe", "updates-10", "--clusters", "4", "--folds", "2"]
    assert __main__.main(["label", file, *how]) == 0
    said = capsys.readouterr().out
    assert "plain: accuracy" in said and "inter-trained: accuracy" in said
    assert "319 of 400 texts got a label in 'own-labels/labels.csv'" in said
    assert __main__.main(["label", file, "--model", "own-labels/model", "--out", "again"]) == 0
    assert "319 of 400 texts got a label in 'again/labels.csv'" in capsys.readouterr().out


def test_nothing_of_the_user_s_is_written_over(file, learn, tmp_path, sea_and_sky):
    """A file that is read, and a folder of the name that the model's will have."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="'model' is there, and no model of this command; move it, or choose another --out"):
        learn(file, out=".")
    assert (tmp_path / "model" / "thesis.txt").read_text() == "years of work"
    sea_and_sky.assign(more="x").to_csv("labels.csv", index=False)
    before = (tmp_path / "labels.csv").read_bytes()
    kept = learn(file).folder / labelling.MODEL
    for work in (lambda: learn("labels.csv", out="."), lambda: labelling.apply("labels.csv", kept, ".")):
        with pytest.raises(InputError, match="'labels.csv' would be written over; choose another --out, or rename the file"):
            work()
    assert (tmp_path / "labels.csv").read_bytes() == before


def test_the_label_of_an_empty_text_is_left_as_it_is(file, learn):
    frame = pd.read_csv(file, keep_default_na=False)
    frame.loc[7, "label"] = "silence"  # a class that no text has
    frame.to_csv(file, index=False)
    table = learn(file, settings=["base"], folds=0).table
    assert table.loc[7, ["label", "how"]].tolist() == ["silence", "given"] and set(table["label"]) == {"sea", "sky", "silence"}


def test_labels_that_were_there_are_kept_under_another_name(file, learn, capsys, tiny_folder):
    """Someone may have corrected them by hand; the same labels once more are the same file."""
    found = learn(file, settings=["base"], folds=0)
    assert found.before is None and learn(file, settings=["base"], folds=0).before is None
    corrected = b"row,label\n1,right\n"
    (found.folder / "labels.csv").write_bytes(corrected)
    assert __main__.main(["label", file, "--model", "own-labels/model", "--precision", "fp32"]) == 0
    assert "note: another 'labels.csv' was there, which is 'own-labels/labels.1.csv' now" in capsys.readouterr().out
    assert (found.folder / "labels.1.csv").read_bytes() == corrected
    (found.folder / "labels.csv").write_bytes(b"again")
    assert labelling.apply(file, "own-labels/model", precision="fp32").before == found.folder / "labels.2.csv"


def test_checks_that_are_not_of_this_work_are_kept_under_another_name(file, learn, tmp_path):
    mine = b"date,amount\n2026-01-01,5\n"
    (tmp_path / "checks.csv").write_bytes(mine)
    said = []
    learn(file, out=".", settings=["base"], report=lambda event, facts: said.append(facts.get("what")) if event == "said" else None)
    assert said == ["note: another 'checks.csv' was there, which is 'checks.1.csv' now"]
    assert (tmp_path / "checks.1.csv").read_bytes() == mine
    learn(file, out=".", settings=["base"])
    assert not (tmp_path / "checks.2.csv").exists()


def test_a_kept_model_leaves_labels_of_any_column_as_they_are(file, learn, capsys):
    learn(file, settings=["base"], folds=0)
    pd.read_csv(file, keep_default_na=False).rename(columns={"label": "topic"}).to_csv("other.csv", index=False)
    assert __main__.main(["label", "other.csv", "--model", "own-labels/model", "--label-column", "topic"]) == 0
    assert "319 of 400 texts got a label" in capsys.readouterr().out
    assert pd.read_csv("other-labels/labels.csv")["how"].value_counts()["given"] == 80


def test_copies_of_a_text_are_in_one_fold():
    texts = pd.Series([f"text {n % 20}" for n in range(60)])
    codes = np.arange(60) % 2
    source = labelling.Texts("t", texts, codes.astype(str).astype(object), ("0", "1"), codes, np.ones(60, bool))
    folds = source.folds(5, seed=0)
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(60))
    for train, test in folds:
        assert not set(texts[train]) & set(texts[test])
    sizes = [len(test) for _, test in folds]
    assert max(sizes) - min(sizes) <= 3  # each counts alike in the mean
    with pytest.raises(InputError, match="21 folds are more than the 20 different labelled texts; give fewer"):
        source.folds(21, seed=0)


def test_others_may_read_a_kept_model(file, learn):
    folder = learn(file, settings=["base"], folds=0).folder / "model"
    assert len({path.stat().st_mode for path in folder.glob("*.*")}) == 1


def test_a_model_that_has_seen_labels_says_so_as_an_encoder(file, learn, store, capsys):
    learn(file, settings=["base"], folds=0)
    run = ["run", file, "--encoder", "own-labels/model", "--settings", "base", "--recipes", "updates-10", "--budgets", "8",
           "--repetitions", "1"]
    assert __main__.main(run) == 0
    assert "own: Encoder 'own-labels-model' has learned from labels: on the texts that it learned from" in capsys.readouterr().out
