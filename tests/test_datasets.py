"""Data sets: splits by hand, fingerprints, every kind of bad input, and fetching over a real (local) connection."""

import dataclasses
import functools
import gzip
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
import unicodedata
from pathlib import Path
from typing import ClassVar

import local_hub
import numpy as np
import pandas as pd
import pytest

from cluster_tune import datasets, paths
from cluster_tune.errors import InputError


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Own data and prepared data in folders of the test."""
    monkeypatch.setenv("CLUSTER_TUNE_DATA", str(tmp_path / "own"))
    monkeypatch.setenv("CLUSTER_TUNE_CACHE", str(tmp_path / "data"))
    return tmp_path


def table(n, classes=("no", "yes"), start=0):
    """`n` distinct texts whose classes take turns."""
    texts = [f"text number {i}" for i in range(start, start + n)]
    return pd.DataFrame({"text": texts, "label": [classes[i % len(classes)] for i in range(n)]})


def put(folder, **parts):
    folder.mkdir(parents=True, exist_ok=True)
    for part, frame in parts.items():
        frame.to_parquet(folder / f"{part}.parquet")


def write(path, content, encoding="utf-8"):
    path.write_bytes(content.encode(encoding))
    return str(path)


def refused(*args, **kwargs):
    """The one line with which `load` refuses."""
    with pytest.raises(InputError) as caught:
        datasets.load(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 300
    return message


# The registry


def test_the_registry_has_the_papers_table_1():
    published = pd.read_csv(paths.root() / "results" / "published" / "paper_table1_datasets.csv")
    for row in published.itertuples():
        entry = datasets.info(row.dataset)
        assert (entry.topical, entry.paper_train, entry.paper_test) == (bool(row.topical), row.train, row.test)
        assert entry.classes == row.classes
    assert set(datasets.REGISTRY) == {*published["dataset"], *datasets.EMBEDDED}


def test_every_entry_is_complete():
    for key, entry in datasets.REGISTRY.items():
        assert entry.key == key and entry.title and entry.source and entry.licence and entry.address
        assert key in datasets.EMBEDDED or (bool(entry.hub) != bool(entry.files) and entry.citation)
        assert not entry.labels or len(entry.labels) == entry.classes
        assert set(entry.sha256) <= set(entry.files)


# Splits


def test_a_whole_set_is_split_70_10_20_without_loss():
    frame = table(50)
    parts = datasets.split(frame)
    assert [len(parts[part]) for part in datasets.PARTS] == [35, 5, 10]
    assert sorted(pd.concat(parts.values())["text"]) == sorted(frame["text"])
    order = np.random.default_rng(0).permutation(50)
    assert parts["train"]["text"].tolist() == [f"text number {i}" for i in order[:35]]
    assert parts["test"]["text"].tolist() == [f"text number {i}" for i in order[40:]]


def test_the_papers_sizes_come_out_of_the_splits():
    for rows, train, test in ((7666, 5400, 1500), (5574, 3900, 1100), (10000, 7000, 2000), (10662, 7500, 2100)):
        parts = datasets.split(table(rows))
        assert abs(len(parts["train"]) - train) < 50 and abs(len(parts["test"]) - test) < 50


def test_large_sets_are_cut_and_others_are_not(folders):
    train, test = table(20_000), table(4_000, start=20_000)
    for name in ("ag_news", "20_newsgroups"):
        put(folders / "own" / name, train=train, test=test)
    assert datasets.load("ag_news").sizes() == {"train": 15_000, "dev": 1_500, "test": 3_000}
    loaded = datasets.load("20_newsgroups")
    assert loaded.sizes() == {"train": 18_000, "dev": 2_000, "test": 4_000}
    assert not set(loaded.train["text"]) & set(loaded.dev["text"])
    assert loaded.test["text"].tolist() == test["text"].tolist()


def test_a_dev_part_of_ones_own_is_kept(folders):
    put(folders / "own" / "isear", train=table(20), dev=table(4, start=20), test=table(6, start=24))
    loaded = datasets.load("isear")
    assert loaded.sizes() == {"train": 20, "dev": 4, "test": 6}
    assert loaded.dev["text"].tolist() == [f"text number {i}" for i in range(20, 24)]


def test_train_and_test_of_a_set_without_a_split_are_joined_and_split(folders):
    put(folders / "own" / "polarity", train=table(40), test=table(10, start=40))
    assert datasets.load("polarity").sizes() == {"train": 35, "dev": 5, "test": 10}


def test_a_set_of_ones_own_under_another_name(folders):
    put(folders / "own" / "tickets", train=table(20), test=table(5, start=20))
    loaded = datasets.load("tickets")
    assert (loaded.sizes(), loaded.topical, loaded.origin) == ({"train": 20, "dev": 0, "test": 5}, None, "own")
    assert datasets.fetch("tickets").fingerprint == loaded.fingerprint  # as a grid of jobs does, of whatever it is given


# Loading


def test_own_data_is_read_and_never_written(folders):
    put(folders / "own" / "sms_spam", all=table(50, ("ham", "spam")))
    before = sorted((path.name, path.stat().st_mtime_ns) for path in (folders / "own").rglob("*"))
    loaded = datasets.load("sms_spam")
    assert (loaded.title, loaded.topical, loaded.classes) == ("SMS spam", False, ("ham", "spam"))
    assert sorted((path.name, path.stat().st_mtime_ns) for path in (folders / "own").rglob("*")) == before
    assert not (folders / "data").exists()


def test_the_format_of_a_file_plays_no_part_in_the_fingerprint(folders):
    texts = ["one, two", 'said "so"', "naïve — café", "two\nlines"] * 5
    frame = pd.DataFrame({"text": texts, "label": [0, 1] * 10})
    frame.to_csv(folders / "same.csv", index=False)
    frame.to_parquet(folders / "same.parquet")
    of_csv, of_parquet = (datasets.load(str(folders / f"same.{suffix}")) for suffix in ("csv", "parquet"))
    assert of_csv.fingerprint == of_parquet.fingerprint
    assert of_csv.classes == ("0", "1")


@pytest.mark.parametrize("suffix", datasets.SUFFIXES)
def test_every_kind_of_file_gives_the_same_texts(folders, suffix):
    """By path, as a part of a folder, and row by row."""
    frame = table(20).assign(text=[f'{i}, "so"\tit\u2028goes\n1.50' for i in range(20)], label=["1", "02"] * 10)
    frame.loc[3, "label"] = ""
    content = {
        "parquet": lambda: frame.to_parquet(), "csv": lambda: frame.to_csv(index=False).encode(),
        "tsv": lambda: frame.to_csv(index=False, sep="\t").encode(),
        "jsonl": lambda: frame.to_json(orient="records", lines=True).encode(),
    }[suffix.split(".")[1]]()  # fmt: skip
    (folders / "mine").mkdir()
    for path in (folders / f"My Texts{suffix}", folders / "mine" / f"all{suffix}"):
        path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    frame.to_csv(folders / "known.csv", index=False)
    found, known = datasets.load(str(folders / f"My Texts{suffix}")), datasets.load(str(folders / "known.csv"))
    assert (found.name, found.fingerprint) == ("my_texts", known.fingerprint) and datasets.is_path(f"x{suffix}")
    assert datasets.load(str(folders / "mine")).fingerprint == known.fingerprint
    pd.testing.assert_frame_equal(datasets.read(str(folders / f"My Texts{suffix}")), frame)


@pytest.mark.parametrize("name, content, says", [
    ("a.jsonl", b'{"text": "a"}\n{"text" 1\n', "line 2 of 'a.jsonl' is not JSON (Expecting ':' delimiter at character 9);"),
    ("a.jsonl", b'\n["text", "a"]\n', 'line 2 of \'a.jsonl\' is no object such as {"text": "..."}; mend it'),
    ("a.jsonl", b'{"text": "\\ud83d\\ude00 \\ud83d"}\n', "line 1 of 'a.jsonl' holds half of a character (\\ud...); mend it"),
    ("a.csv.gz", b"text,label\n", "'a.csv.gz' is damaged, or not compressed by gzip; write or fetch it again"),
    ("a.csv.gz", gzip.compress(b"text,label\n" * 99)[:-9], "'a.csv.gz' is damaged, or not compressed by gzip; write or"),
    ("a.tsv", b"text,label\na,b\n", "the first line of 'a.tsv' has commas and no tab; save it with tabs between columns"),
    ("a.tsv", b"text\tlabel\na\tb\tc\n",
     "rows of 'a.tsv' have more cells than its first line names; quote texts that hold tabs, take off tabs at the end"),
    ("a.jsonl", b"", "'a.jsonl' is empty; it needs a row a text"),
    ("a.jsonl", b'{"text": "a"}\n' + b"[" * 100_000 + b"\n", "line 2 of 'a.jsonl' is nested too deep, or has too long a"),
    ("a.jsonl", b'{"text": "a", "label": ' + b"1" * 5_000 + b"}\n", "line 1 of 'a.jsonl' is nested too deep, or has too long"),
], ids=["no JSON", "no object", "half", "no gzip", "cut off", "commas", "more cells", "nothing", "deep", "long"])  # fmt: skip
def test_what_is_wrong_with_other_kinds_is_one_line(folders, name, content, says):
    (folders / name).write_bytes(content)
    assert refused(str(folders / name)).startswith(says)


def test_a_fingerprint_by_hand():
    parts = {"train": pd.DataFrame({"text": ["a", "é"], "label": ["x", "y"]}), "dev": table(0), "test": table(0)}
    content = b"train 2\n" + b"1:a1:x" + b"2:\xc3\xa91:y" + b"dev 0\ntest 0\n"
    assert datasets.fingerprint(parts) == hashlib.sha256(content).hexdigest()[:16]


def test_any_change_of_a_text_a_label_or_a_part_changes_the_fingerprint():
    parts = datasets.split(table(20))
    changed = {part: frame.copy() for part, frame in parts.items()}
    changed["dev"].loc[0, "text"] += "."
    moved = {**parts, "dev": parts["test"], "test": parts["dev"]}
    assert len({datasets.fingerprint(some) for some in (parts, changed, moved)}) == 3


@pytest.mark.parametrize("order", [range(39, -1, -1), range(0, 40, 3), [*range(10), *range(10)]])
def test_the_index_of_a_parquet_file_plays_no_part(folders, order):
    frame = table(40).loc[order]
    frame.to_parquet(folders / "indexed.parquet")
    frame.to_csv(folders / "indexed.csv", index=False)
    of_parquet, of_csv = (datasets.read(str(folders / f"indexed.{suffix}")) for suffix in ("parquet", "csv"))
    pd.testing.assert_frame_equal(of_parquet, of_csv)
    loaded = (datasets.load(str(folders / f"indexed.{suffix}")).fingerprint for suffix in ("parquet", "csv"))
    assert len(set(loaded)) == 1


def test_a_path_with_columns_of_its_own(folders):
    frame = table(20).rename(columns={"text": "review", "label": "stars"})
    frame.to_csv(folders / "My Reviews (2024).csv", index=False)
    loaded = datasets.load(str(folders / "My Reviews (2024).csv"), "review", "stars")
    assert (loaded.name, loaded.title, loaded.origin) == ("my_reviews_2024", "my reviews 2024", "file")
    assert loaded.sizes() == {"train": 14, "dev": 2, "test": 4}


def test_a_file_named_like_a_known_set_is_another_set(folders):
    table(20).to_csv(folders / "ag_news.csv", index=False)
    assert datasets.load(str(folders / "ag_news.csv")).name == "ag_news_file"


@pytest.mark.parametrize("here, name", [
    ("отзывы.csv", "data_" + hashlib.sha256("отзывы".encode()).hexdigest()[:6]),
    ("новости.csv", "data_" + hashlib.sha256("новости".encode()).hexdigest()[:6]),
    ("Café 2.csv", "caf_2_" + hashlib.sha256("Café 2".encode()).hexdigest()[:6]),
    ("./ag_news", "ag_news_file"), ("./My Mail (2)/", "my_mail_2"), ("---.csv", "data"),
])  # fmt: skip
def test_a_path_is_called_the_same_before_it_is_loaded_and_after(folders, monkeypatch, here, name):
    """Letters of other alphabets are no part of the name, and a hash of the stem tells two such files apart, however the
    system stores their accents."""
    monkeypatch.chdir(folders)
    if here.endswith(".csv"):
        table(20).to_csv(here, index=False)
    else:
        put(Path(here), all=table(20))
    assert datasets.name_of(here) == datasets.load(here).name == name
    assert datasets.name_of(unicodedata.normalize("NFD", here)) == name


def test_a_folder_given_as_a_path(folders):
    put(folders / "mine", train=table(20), test=table(5, start=20))
    assert datasets.load(str(folders / "mine")).sizes() == {"train": 20, "dev": 0, "test": 5}


def test_a_byte_order_mark_is_taken_off(folders):
    path = write(folders / "bom.csv", table(20).to_csv(index=False), "utf-8-sig")
    assert datasets.load(path).sizes()["train"] == 14


def test_cells_of_a_csv_stay_text(folders):
    rows = "".join(f"NA,{i % 2}.0\nnull,{i % 2}.0\n1.50,{i % 2}.0\n" for i in range(6))
    loaded = datasets.load(write(folders / "na.csv", "text,label\n" + rows))
    assert set(loaded.train["text"]) <= {"NA", "null", "1.50"}
    assert loaded.classes == ("0.0", "1.0")


def test_a_file_is_read_row_by_row_as_it_is(folders):
    """Nothing dropped, and labels taken where there are some and no other column is named for them."""
    frame = table(5).assign(text=["a", "", " b ", "NA", "1.0"], topic=list("xyxyx"))
    frame.to_csv(folders / "rows.csv", index=False)
    path = str(folders / "rows.csv")
    pd.testing.assert_frame_equal(datasets.read(path), frame[["text", "label"]])
    assert datasets.read(path, "text", "topic")["label"].tolist() == list("xyxyx")
    assert list(datasets.read(path, "label")) == ["text"]


def test_a_few_empty_texts_are_dropped_and_counted(folders):
    frame = table(40)
    frame.loc[[3, 7], "text"] = ["  ", None]
    frame.to_parquet(folders / "some.parquet")
    loaded = datasets.load(str(folders / "some.parquet"))
    assert sum(loaded.sizes().values()) == 38
    assert loaded.notes == ("2 of 40 texts of 'some' are empty and were dropped.",)


@pytest.mark.parametrize("labels, read", [
    (pd.array([1, 2] * 9 + [1, None], "Int64"), ["1", "2"]),
    (pd.array([True, False] * 9 + [True, None], "boolean"), ["True", "False"]),
    (pd.Categorical(["a", "b"] * 9 + ["a", None]), ["a", "b"]),
    (np.array([1.0, 2.0] * 9 + [1.0, np.nan]), ["1", "2"]),
    (np.array([1.5, 2.0] * 9 + [1.5, np.nan]), ["1.5", "2.0"]),
    (pd.array(["a", "b"] * 9 + ["a", None], "string"), ["a", "b"]),
], ids=["integers", "booleans", "categories", "whole floats", "floats", "strings"])
@pytest.mark.filterwarnings("error")
def test_gaps_among_labels_and_texts_of_any_type(folders, labels, read):
    """Read as '' by `read`; a gap whose text is missing too is dropped by `load`, and one alone is a text without a label."""
    pd.DataFrame({"text": table(20)["text"], "label": labels}).to_parquet(folders / "gaps.parquet")
    assert datasets.read(str(folders / "gaps.parquet"))["label"].tolist() == [*read * 9, read[0], ""]
    gaps = datasets.load(str(folders / "gaps.parquet"))
    assert (gaps.labelled, len(gaps.train), gaps.train["text"].iloc[-1]) == (13, 14, "text number 19")
    for kind in ("str", "category"):
        texts = pd.Series([*table(19)["text"], None], dtype=kind)
        pd.DataFrame({"text": texts, "label": labels}).to_parquet(folders / "both.parquet")
        loaded = datasets.load(str(folders / "both.parquet"))
        assert loaded.classes == tuple(sorted(read)) and loaded.sizes() == {"train": 13, "dev": 2, "test": 4}
        assert datasets.read(str(folders / "both.parquet"))["text"].tolist()[18:] == ["text number 18", ""]


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_whole_numbers_are_the_same_labels_beside_a_gap_and_without_one(folders, suffix):
    """pandas makes floats of the whole column where one is missing, and stores them as such."""
    (folders / "numbered").mkdir()
    for part, labels in (("train", [0, 1, None] * 10), ("test", [0, 1] * 5)):
        frame = table(len(labels), start=len(part) * 100).assign(label=labels)
        path = folders / "numbered" / f"{part}.{suffix}"
        frame.to_parquet(path) if suffix == "parquet" else frame.to_json(path, orient="records", lines=True)
    found = datasets.load(str(folders / "numbered"))
    assert found.classes == ("0", "1") and found.notes[0].startswith("10 texts have no label")
    assert set(datasets.read(str(folders / "numbered" / f"train.{suffix}"))["label"]) == {"0", "1", ""}


def test_a_smile_is_a_text(folders):
    frame = table(20)
    frame.loc[5, "text"] = ":)"
    frame.to_csv(folders / "smile.csv", index=False)
    assert sum(datasets.load(str(folders / "smile.csv")).sizes().values()) == 20


def test_a_class_absent_from_training_is_noted(folders):
    test = pd.DataFrame({"text": ["a rare one", "another rare one"], "label": ["rare", "rare"]})
    put(folders / "own" / "tickets", train=table(20), test=pd.concat([table(5, start=20), test]))
    assert datasets.load("tickets").notes == ("No text of 'rare' is in the training part.",)


def test_the_embedded_corpora_are_cached_until_their_settings_change(folders, monkeypatch):
    monkeypatch.setattr(datasets, "EMBEDDED", {"docstrings": 20, "docstrings-small": 5})
    first, small = datasets.load("docstrings"), datasets.load("docstrings-small")
    assert first.sizes() == {"train": 140, "dev": 20, "test": 40}
    assert small.sizes() == {"train": 35, "dev": 5, "test": 10}
    assert set(small.train["text"]) <= {text for part in datasets.PARTS for text in getattr(first, part)["text"]}
    assert len(first.classes) == len(small.classes) == 10
    record = folders / "data" / "docstrings" / "split.json"
    made = record.stat().st_mtime_ns
    assert datasets.load("docstrings").fingerprint == first.fingerprint
    assert record.stat().st_mtime_ns == made
    monkeypatch.setitem(datasets.docstrings.SETTINGS, "format", 0)
    assert datasets.load("docstrings").fingerprint == first.fingerprint
    assert record.stat().st_mtime_ns != made


def test_test_texts_that_are_in_training_are_counted(folders):
    put(folders / "own" / "tickets", train=table(20), test=table(5, start=17))
    assert datasets.load("tickets").notes == (
        "3 of 5 test texts are in the training part, too: all accuracies are a little too high for it.",)


# Bad input


def test_an_unknown_name_gets_the_nearest_one():
    assert refused("ag_new") == "unknown data set 'ag_new'; did you mean 'ag_news'?"


def test_a_known_set_that_is_not_here_says_how_to_get_it(monkeypatch):
    monkeypatch.delenv("CLUSTER_TUNE_DATA")
    message = refused("polarity")
    assert "`cluster-tune data polarity`" in message and "put all.parquet" in message


def test_columns_that_are_missing_are_named_beside_those_there(folders):
    path = write(folders / "a.csv", "body,label\n" + "x,1\n" * 12)
    how = "name one with --text-column, or for a page with -p text_column="
    assert refused(path) == f"'a.csv' has no column 'text', it has 'body', 'label'; {how}"
    assert "name one with --label-column" in refused(path, "body", "tag")
    assert "name two different ones" in refused(path, "body", "body")


def test_texts_that_were_taken_for_names_are_cut(folders):
    """A CSV without a line of names, and texts given for classes."""
    first, rest = "It\nbegins here " + "and goes on " * 50, table(20).to_csv(index=False, header=False)
    path = write(folders / "headless.csv", f'"{first}",yes\n{rest}')
    how = "name one with --text-column, or for a page with -p text_column="
    shown = "'It begins here and goes on and goes on a…', 'yes'"
    assert refused(path) == f"'headless.csv' has no column 'text', it has {shown}; {how}"
    texts = table(20).assign(text=[f"{i:02} " + "long " * 20 for i in range(20)])
    texts.to_csv(folders / "swapped.csv", index=False)
    assert "long long long lo…' and 17 more of 'swapped' has" in refused(str(folders / "swapped.csv"), "label", "text")
    texts.assign(label="only " * 20).to_csv(folders / "one.csv", index=False)
    assert "only one class, 'only only" in refused(str(folders / "one.csv"))


def test_no_rows(folders):
    assert "is empty" in refused(write(folders / "nothing.csv", ""))
    assert refused(write(folders / "header.csv", "text,label\n")) == "'header' has 0 rows; it needs a row a text"


def test_too_few_rows(folders):
    assert "only 4 texts; at least 10" in refused(write(folders / "few.csv", table(4).to_csv(index=False)))


def test_mostly_empty_texts_are_the_wrong_column(folders):
    frame = table(20)
    frame.loc[:4, "text"] = ""
    says = "5 of 20 texts of 'holes' are empty; name another text column, or drop the empty rows"
    assert refused(write(folders / "holes.csv", frame.to_csv(index=False))) == says


def test_numbers_are_not_texts(folders):
    table(20).assign(text=range(20)).to_parquet(folders / "numbers.parquet")
    assert "holds int64, not text" in refused(str(folders / "numbers.parquet"))


def test_texts_without_a_label_are_for_training_only_and_come_last(folders):
    frame = table(40)
    frame.loc[[4, 9, 11], "label"] = ["", None, " "]
    found = datasets.load(write(folders / "gaps.csv", frame.to_csv(index=False)))
    assert found.labelled == 26 and found.sizes() == {"train": 29, "dev": 4, "test": 7}  # 37 with a label, divided as ever
    assert found.train["text"].iloc[26:].tolist() == frame["text"].iloc[[4, 9, 11]].tolist()
    assert (found.train["label"].iloc[26:] == "").all() and "" not in found.classes
    assert "3 texts have no label: they are clustered and inter-trained on, and not fine-tuned on." in found.notes
    whole = datasets.load(write(folders / "whole.csv", frame.drop([4, 9, 11]).to_csv(index=False)))
    assert whole.labelled == len(whole.train) == 26 and whole.train.equals(found.train.iloc[:26])


def test_a_set_of_ones_own_lacks_labels_like_a_path_and_one_of_the_registry_may_not(folders):
    gaps = table(40)
    gaps.loc[[4, 9], "label"] = ""
    for name in ("tickets", "ag_news"):
        put(folders / "own" / name, train=gaps, test=table(10, start=40))
    found, path = datasets.load("tickets"), datasets.load(str(folders / "own" / "tickets"))
    assert (found.labelled, len(found.train), found.origin) == (38, 40, "own")
    assert (found.fingerprint, found.notes) == (path.fingerprint, path.notes)
    assert "2 rows of the train part of 'ag_news' have no label" in refused("ag_news")
    assert [name for name in ("tickets", "ag_news", "none", "./tickets") if datasets.is_own(name)] == ["tickets"]


def test_blanks_around_a_label_are_no_part_of_it_wherever_it_is_read(folders):
    frame = table(20)
    frame.loc[[2, 4], "label"] = ["no ", " \t"]
    frame.to_csv(path := folders / "blanks.csv", index=False)
    assert set(datasets.read(str(path))["label"]) == {"no", "yes", ""}
    assert datasets.load(str(path)).classes == ("no", "yes")


def test_labels_that_are_missing_where_they_are_needed(folders):
    frame = table(20)
    frame.loc[[4, 9], "label"] = ""
    folder = folders / "gaps"
    folder.mkdir()
    table(20).to_csv(folder / "train.csv", index=False)
    frame.to_csv(folder / "test.csv", index=False)
    assert refused(str(folder)) == "2 rows of the test part of 'gaps' have no label, row 5 is the first; label or drop them"
    frame["label"] = ["a", "b"] * 4 + [""] * 12
    few = write(folders / "few.csv", frame.to_csv(index=False))
    assert refused(few) == "'few' has only 8 texts with a label; at least 10 are needed"


def test_a_training_part_without_any_label(folders):
    (folders / "bare").mkdir()
    for part, frame in (("train", table(20)[["text"]].assign(label=None)), ("test", table(20, start=20))):
        frame.to_json(folders / "bare" / f"{part}.jsonl", orient="records", lines=True)
    says = "no text of the train part of 'bare' has a label; label some of them, of each class a few"
    assert refused(str(folders / "bare")) == says


def test_one_class(folders):
    path = write(folders / "one.csv", table(20, ("only",)).to_csv(index=False))
    assert refused(path) == "'one' has only one class, 'only'; at least two are needed"


@pytest.mark.parametrize("column, says", [
    ("label", "'one' has only one class, 'no'; at least two are needed"), ("text", "only 0 texts with a label; at least 10")])
def test_one_value_as_a_category_of_pandas(folders, column, says):
    frame = table(40, ("no",)) if column == "label" else table(40).assign(text="the same", label=None)
    frame.astype({column: "category"}).to_parquet(path := folders / "one.parquet")
    assert says in refused(str(path))
    assert datasets.read(str(path))[column].nunique() == 1


def test_a_class_with_one_member(folders):
    frame = table(20)
    frame.loc[7, "label"] = "rare"
    message = refused(write(folders / "single.csv", frame.to_csv(index=False)))
    assert message == "class 'rare' of 'single' has a single text; add texts or merge the class"


def test_mixed_encodings_say_where(folders):
    good = "text,label\n" + "".join(f"café {i},{i % 2}\n" for i in range(20))
    (folders / "mixed.csv").write_bytes(good.encode() + "encore café,1\n".encode("latin-1"))
    at = len(good.encode()) + len("encore caf")
    message = refused(str(folders / "mixed.csv"))
    assert message == f"'mixed.csv' is not all UTF-8: byte {at} (line 22) is 0xe9; save it as UTF-8"
    assert "is in UTF-16" in refused(write(folders / "wide.csv", good, "utf-16"))


def test_a_ragged_csv(folders):
    assert "line 3" in refused(write(folders / "ragged.csv", "text,label\na,1\nb,1,2,3\n"))


@pytest.mark.parametrize("separator, called", [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_columns_that_are_not_between_commas(folders, separator, called, encoding):
    """Whatever the rows hold: nothing else, a comma here and there, or a comma each."""
    for text in ("text", "one, two", "one, two, three"):
        frame = table(20)
        frame.loc[7:, "text"] += text
        path = write(folders / "other.csv", frame.to_csv(index=False, sep=separator), encoding)
        what = f"the first line of 'other.csv' has {called} and no comma"
        how = "save it with commas between columns" + " or name it .tsv" * (separator == "\t")
        assert refused(path) == f"{what}; {how}"


def test_a_semicolon_beside_commas_is_part_of_a_name(folders):
    frame = table(20).rename(columns={"text": "text; body"})
    frame.to_csv(folders / "named.csv", index=False)
    assert datasets.load(str(folders / "named.csv"), "text; body").sizes()["train"] == 14


@pytest.mark.parametrize(
    "row", ["Dear Sir, text number {i},{label}", "text number {i},{label},", "{i},text number {i},{label}"],
    ids=["a comma in the text", "a comma at the end", "a column without a name"],
)
def test_rows_with_more_cells_than_the_first_line_names(folders, row):
    """Of all rows or of some only, and neither read nor loaded with shifted columns."""
    rows = [row.format(i=i, label="ab"[i % 2]) for i in range(20)]
    for name, lines in (("all", rows), ("first", rows[:1] + [f"text number {i},a" for i in range(1, 20)])):
        path = write(folders / f"{name}.csv", "\n".join(["text,label", *lines]))
        assert refused(path).startswith(f"rows of '{name}.csv' have more cells than its first line names; quote texts that")
        with pytest.raises(InputError, match="have more cells than its first line names"):
            datasets.read(path)


def test_an_unclosed_quote(folders):
    assert "not a well-formed CSV" in refused(write(folders / "quote.csv", 'text,label\n"a,1\nb,1\n'))


def test_an_unreadable_parquet(folders):
    put(folders, half=table(50))
    content = (folders / "half.parquet").read_bytes()
    (folders / "half.parquet").write_bytes(content[: len(content) // 2])
    assert "as parquet" in refused(str(folders / "half.parquet"))


def test_a_parquet_file_that_is_called_csv(folders):
    table(20).to_parquet(folders / "really.csv")
    says = "'really.csv' is a parquet file by its content; rename it to end in .parquet"
    assert refused(str(folders / "really.csv")) == says
    table(20).rename(columns={"text": "PAR1"}).to_csv(folders / "named.csv", index=False)
    assert datasets.load(str(folders / "named.csv"), "PAR1").sizes()["train"] == 14


def test_paths_that_lead_nowhere(folders):
    assert "there is no file" in refused(str(folders / "none.csv"))
    assert "is no .csv, .tsv, .jsonl or .parquet file" in refused(write(folders / "notes.txt", "x"))
    (folders / "bare").mkdir()
    assert "holds no train and test" in refused(str(folders / "bare"))


def test_what_lies_here_under_a_name_that_is_not_known(folders, monkeypatch):
    monkeypatch.chdir(folders)
    put(folders / "mine", train=table(20), test=table(5, start=20))
    write(folders / "tabs.txt", "x")
    assert refused("mine") == "'mine' is no known data set but a folder here; write ./mine for what is in it"
    assert datasets.load("./mine").sizes()["train"] == 20
    says = "'tabs.txt' is no .csv, .tsv, .jsonl or .parquet file; save it as one of them"
    assert refused("tabs.txt") == refused("./tabs.txt") == says


def test_lists_are_not_labels(folders):
    table(20).assign(label=[["a", "b"]] * 20).to_parquet(folders / "lists.parquet")
    assert "holds lists, not one label a text" in refused(str(folders / "lists.parquet"))


@pytest.mark.parametrize("column, values, says", [
    ("text", range(20), "the text column of {} holds int64, not text; name another one"),
    ("text", [b"bytes"] * 20, "the text column of {} holds object, not text; name another one"),
    ("text", [["a", "b"]] * 20, "the text column of {} holds object, not text; name another one"),
    ("label", [["a", "b"]] * 20, "the label column of {} holds lists, not one label a text; name another one"),
], ids=["integers", "bytes", "lists", "lists of labels"])
def test_files_are_read_and_loaded_under_one_rule(folders, column, values, says):
    table(20).assign(**{column: values}).to_parquet(path := folders / "odd.parquet")
    assert refused(str(path)) == says.format("'odd'")
    with pytest.raises(InputError) as caught:
        datasets.read(str(path))
    assert str(caught.value) == says.format("'odd.parquet'")


def test_one_column_is_not_both_texts_and_labels(folders):
    table(20).to_csv(path := folders / "same.csv", index=False)
    for call in (datasets.load, datasets.read):
        with pytest.raises(InputError, match="text and label are both column 'text' of 'same.csv'; name two"):
            call(str(path), "text", "text")


# Fetching


def hub_tables(folder, name, frames):
    """Source files as a hub repository has them."""
    files = {}
    for part, frame in frames.items():
        path = folder / f"{name}-{part}.parquet"
        frame.to_parquet(path)
        files[f"data/{part}-00000-of-00001.parquet"] = path
    return lambda *_: files


def test_numbered_labels_get_names_and_fields_are_joined(folders):
    numbers = [i % 10 for i in range(40)]
    titles = [f"why {i}" for i in range(40)]
    frame = pd.DataFrame({"question_title": titles, "question_content": "", "best_answer": "so", "topic": numbers})
    loaded = datasets.fetch("yahoo_answers", download=hub_tables(folders, "y", {"train": frame, "test": frame}))
    assert loaded.sizes() == {"train": 36, "dev": 4, "test": 40}
    assert loaded.test["text"][3] == "why 3 so"
    assert loaded.test["label"][:3].tolist() == ["Society & Culture", "Science & Mathematics", "Health"]


def test_fetched_splits_load_again_and_are_complete(folders):
    frame = pd.DataFrame({"sms": [f"message {i}" for i in range(50)], "label": [i % 2 for i in range(50)]})
    download = hub_tables(folders, "s", {"train": frame})
    fetched = datasets.fetch("sms_spam", download=download)
    loaded = datasets.load("sms_spam")
    assert loaded.fingerprint == fetched.fingerprint and loaded.origin == "prepared"
    record = json.loads((folders / "data" / "sms_spam" / "split.json").read_text())
    assert record["fingerprint"] == fetched.fingerprint and record["seed"] == 0
    assert record["sizes"] == {"train": 35, "dev": 5, "test": 10}
    assert list(record["files"]) == ["data/train-00000-of-00001.parquet"]


def test_what_is_there_is_not_fetched_again(folders):
    put(folders / "own" / "sms_spam", all=table(50))
    assert datasets.fetch("sms_spam", download=lambda *_: pytest.fail("fetched")).origin == "own"


def test_a_source_that_has_changed_since_is_refused_and_nothing_is_lost(folders):
    frame = pd.DataFrame({"sms": [f"message {i}" for i in range(50)], "label": [i % 2 for i in range(50)]})
    first = datasets.fetch("sms_spam", download=hub_tables(folders, "s", {"train": frame}))
    other = hub_tables(folders, "t", {"train": frame.assign(sms="changed")})
    with pytest.raises(InputError, match="differs from the first fetch"):
        datasets.fetch("sms_spam", again=True, download=other)
    assert datasets.load("sms_spam").fingerprint == first.fingerprint


def test_an_unfinished_set_is_not_there_and_a_changed_one_is_refused(folders):
    frame = pd.DataFrame({"sms": [f"message {i}" for i in range(50)], "label": [i % 2 for i in range(50)]})
    datasets.fetch("sms_spam", download=hub_tables(folders, "s", {"train": frame}))
    folder = folders / "data" / "sms_spam"
    put(folder, test=table(10))
    assert "has changed since it was written" in refused("sms_spam")
    (folder / "split.json").unlink()
    assert "is not here" in refused("sms_spam")


def test_a_source_without_the_expected_fields(folders):
    frame = pd.DataFrame({"message": ["a"] * 20, "label": [0, 1] * 10})
    with pytest.raises(InputError, match="has no field 'sms', it has 'message', 'label'"):
        datasets.fetch("sms_spam", download=hub_tables(folders, "s", {"train": frame}))
    with pytest.raises(InputError, match="has no part 'train'"):
        datasets.fetch("sms_spam", download=hub_tables(folders, "s", {"test": frame}))


def test_json_lines_are_read_too(folders):
    files = {}
    for part, start in (("train", 0), ("test", 40)):
        path = folders / f"{part}.jsonl"
        frame = table(40 if part == "train" else 10, ("objective", "subjective"), start)
        frame.rename(columns={"label": "label_text"}).assign(label=0).to_json(path, orient="records", lines=True)
        files[path.name] = path
    loaded = datasets.fetch("subjectivity", download=lambda *_: files)
    assert loaded.sizes() == {"train": 35, "dev": 5, "test": 10}
    assert loaded.classes == ("objective", "subjective")


def test_json_lines_of_a_source_are_read_as_they_are_and_damage_is_one_line(folders):
    """Texts that look like numbers, of which pandas would make some."""
    frame = pd.DataFrame({"text": [f"{year}" for year in range(1950, 2000)], "label": 0, "label_text": ["a", "b"] * 25})
    files = {f"{part}.jsonl": folders / f"{part}.jsonl" for part in ("train", "test")}
    for path in files.values():
        frame.to_json(path, orient="records", lines=True)
    assert set(datasets.fetch("subjectivity", download=lambda *_: files).test["text"]) <= set(frame["text"])
    write(files["test.jsonl"], '{"text": "a"')
    (folders / "data" / "subjectivity" / "split.json").unlink()
    with pytest.raises(InputError, match=r"test.jsonl': line 1 of 'test.jsonl' is not JSON \(.*\); delete it and fetch it again$"):
        datasets.fetch("subjectivity", download=lambda *_: files)


def archive(path, postings):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in postings.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_newsgroups_keep_their_headers(folders):
    postings = {
        f"20news-bydate-{part}/{group}/{i}": f"From: caf\xe9\nSubject: {i}\n\nabout {group}\n".encode("latin-1")
        for part, numbers in (("train", range(20)), ("test", range(20, 24)))
        for group in ("rec.autos", "sci.space")
        for i in numbers
    }
    archive(folders / "news.tar.gz", postings)
    loaded = datasets.fetch("20_newsgroups", download=download_of(folders / "news.tar.gz"))
    assert loaded.sizes() == {"train": 36, "dev": 4, "test": 8}
    assert loaded.test["text"][0] == "From: café\nSubject: 20\n\nabout rec.autos\n"
    assert loaded.classes == ("rec.autos", "sci.space")


def test_a_damaged_archive(folders):
    (folders / "news.tar.gz").write_bytes(b"\x1f\x8b broken")
    with pytest.raises(InputError, match="archive of '20_newsgroups' is damaged"):
        datasets.fetch("20_newsgroups", download=download_of(folders / "news.tar.gz"))


def test_isear_is_read_line_by_line(folders):
    header = "ID|EMOT|Field1|MYKEY|SIT|STATE|"
    texts = [f"Number {i} came and á stayed.  It á  was a|b" for i in range(20)]
    rows = [f"{i}|1|{'joy' if i % 2 else 'fear'}|7|{text}|1|" for i, text in enumerate(texts)]
    (folders / "isear.csv").write_text("\n".join([header, *rows, "broken line"]), encoding="utf-8")
    loaded = datasets.fetch("isear", download=download_of(folders / "isear.csv"))
    assert sum(loaded.sizes().values()) == 20 and loaded.classes == ("fear", "joy")
    assert sorted(loaded.train["text"])[0] == "Number 0 came and stayed. It was a|b"


def test_cfpb_products_are_merged(folders):
    products = ["Credit card", "Prepaid card", "Mortgage", "Mortgage"]
    frame = pd.DataFrame({"Product": products * 10, "Consumer complaint narrative": ["a complaint"] * 39 + [""]})
    frame.to_csv(folders / "complaints.csv", index=False)
    loaded = datasets.fetch("cfpb", download=download_of(folders / "complaints.csv"))
    assert sum(loaded.sizes().values()) == 39
    assert loaded.classes == ("Credit card or prepaid card", "Mortgage")


def download_of(path):
    return lambda *_: {path.name if "tar" not in path.name else "archive": path}


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; answers to ranges, and breaks off after `stop` bytes once; `chunked`, without saying how many there are."""

    stop, chunked = None, False
    asked: ClassVar[list[int]] = []

    def do_GET(self):
        content = Path(self.translate_path(self.path)).read_bytes()
        start = int((self.headers["Range"] or "bytes=0-")[6:-1])
        type(self).asked.append(start)
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if self.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n" % (len(content) - start))
        else:
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
        self.wfile.write(content[start : self.stop or len(content)])
        type(self).stop = None

    def log_message(self, *_):
        pass


@pytest.fixture
def server(folders):
    """The address of a server of `folders/served`."""
    (folders / "served").mkdir()
    Server.stop, Server.chunked, Server.asked = None, False, []
    handler = functools.partial(Server, directory=str(folders / "served"))
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=functools.partial(running.serve_forever, 0.05), daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


def served(monkeypatch, name, address, sha256=None):
    """The registry's entry with its one file at another address."""
    entry = datasets.info(name)
    (file,) = entry.files
    pinned = {file: sha256} if sha256 else {}
    monkeypatch.setitem(datasets.REGISTRY, name, dataclasses.replace(entry, files={file: address}, sha256=pinned))


def test_a_broken_download_is_resumed(folders, server, monkeypatch):
    postings = {
        f"x-{part}/{group}/{i}": os.urandom(300).hex().encode()
        for part in ("train", "test") for group in ("a", "b") for i in range(20)
    }  # fmt: skip
    archive(folders / "served" / "news", postings)
    content = (folders / "served" / "news").read_bytes()
    served(monkeypatch, "20_newsgroups", f"{server}/news", hashlib.sha256(content).hexdigest())
    Server.stop = 1000
    with pytest.raises(InputError, match="broke off at 1000 of"):
        datasets.fetch("20_newsgroups", progress=False)
    assert datasets.fetch("20_newsgroups", progress=False).sizes() == {"train": 36, "dev": 4, "test": 40}
    assert Server.asked == [0, 1000]


def test_a_reply_of_no_known_length_that_breaks_off_is_one_line(folders, server, monkeypatch):
    archive(folders / "served" / "news", {"x-train/a/1": b"text"})
    served(monkeypatch, "20_newsgroups", f"{server}/news")
    Server.stop, Server.chunked = 10, True
    with pytest.raises(InputError, match=r"broke off \(IncompleteRead\)"):
        datasets.fetch("20_newsgroups", progress=False)


def test_a_file_that_fails_its_checksum_is_refused(folders, server, monkeypatch):
    archive(folders / "served" / "news", {"x-train/a/1": b"text"})
    served(monkeypatch, "20_newsgroups", f"{server}/news", "0" * 64)
    with pytest.raises(InputError, match="differs from the published file"):
        datasets.fetch("20_newsgroups", progress=False)
    assert not (folders / "data" / "20_newsgroups" / "split.json").exists()


def test_an_address_that_is_gone(folders, server, monkeypatch):
    served(monkeypatch, "isear", f"{server}/none")
    with pytest.raises(InputError) as caught:
        datasets.fetch("isear", progress=False)
    assert "cannot fetch 'isear' from 127.0.0.1" in str(caught.value) and "put all.parquet" in str(caught.value)


FETCH = """
from cluster_tune import datasets
try:
    found = datasets.fetch({name!r}, progress=False)
    print(found.sizes(), found.classes, datasets.load({name!r}).fingerprint == found.fingerprint)
except datasets.InputError as error:
    print(error)
"""


def test_tables_come_from_the_hub(folders):
    for part, rows in (("train", 40), ("test", 8)):
        frame = table(rows).assign(label=[i % 4 for i in range(rows)])
        put(folders / "hub" / "fancyzhx" / "ag_news" / "main" / "data", **{f"{part}-00000-of-00001": frame})
    with local_hub.serve(folders / "hub") as address:
        done = local_hub.run(FETCH.format(name="ag_news"), address, folders / "hf")
    sizes = {"train": 36, "dev": 4, "test": 8}
    assert (done.stdout, done.stderr) == (f"{sizes} ('Business', 'Sci/Tech', 'Sports', 'World') True\n", "")


def test_tables_the_hub_has_converted_stand_in(folders):
    repository = folders / "hub" / "ucirvine" / "sms_spam"
    (repository / "main").mkdir(parents=True)
    (repository / "main" / "README.md").write_text("nothing but a card")
    frame = pd.DataFrame({"sms": [f"message {i}" for i in range(50)], "label": [i % 2 for i in range(50)]})
    put(repository / "refs-convert-parquet" / "plain_text" / "train", **{"0000": frame})
    with local_hub.serve(folders / "hub") as address:
        done = local_hub.run(FETCH.format(name="sms_spam"), address, folders / "hf")
    assert done.stdout == "{'train': 35, 'dev': 5, 'test': 10} ('ham', 'spam') True\n"


def test_no_network_is_one_line(folders):
    done = local_hub.run(FETCH.format(name="ag_news"), "http://127.0.0.1:9", folders / "hf", CLUSTER_TUNE_DATA="")
    assert done.stdout.count("\n") == 1 and done.stderr == ""
    assert done.stdout.startswith("cannot fetch 'ag_news' from huggingface.co (")
    assert "put train.parquet and test.parquet (or .csv; columns text, label) into FOLDER/ag_news" in done.stdout


def test_a_data_folder_that_cannot_be_written(folders, monkeypatch):
    (folders / "taken").write_text("a file")
    monkeypatch.setenv("CLUSTER_TUNE_CACHE", str(folders / "taken"))
    with pytest.raises(InputError, match="cannot write to"):
        datasets.fetch("isear")
    with pytest.raises(InputError, match="cannot write to"):
        datasets.load("docstrings")


def test_texts_are_shown_only_where_a_licence_says_so():
    shown = {name for name in datasets.REGISTRY if datasets.excerpts_allowed(name)}
    assert shown == {"dbpedia", "cfpb", "isear", "sms_spam", "docstrings", "docstrings-small"}
    assert datasets.excerpts_allowed("a_file_of_mine")
    for name, note in datasets.notes_on_excerpts().items():
        assert datasets.REGISTRY[name].licence in note and ("not shown" in note) is (name not in shown)


def test_a_blank_line_is_an_empty_text_where_there_is_one_column(tmp_path):
    """Rows keep the numbers that they have in the file; where there are several columns, a blank line is no row."""
    (tmp_path / "one.csv").write_text("text\nfirst\n\nthird\n\n\n")
    assert datasets.read(str(tmp_path / "one.csv"))["text"].tolist() == ["first", "", "third"]
    (tmp_path / "two.csv").write_text("text,id\nfirst,1\n\nsecond,2\n")
    assert datasets.read(str(tmp_path / "two.csv"))["text"].tolist() == ["first", "second"]
    for name, content in {"above.csv": "\ntext\na\n\nb\n", "both.csv": "\r\n\r\ntext,id\r\na,1\r\nb,2\r\n",
                          "mac.csv": 'text\r"one, two"\r\rthree\r'}.items():
        (tmp_path / name).write_bytes(content.encode())
    assert datasets.read(str(tmp_path / "above.csv"))["text"].tolist() == ["a", "", "b"]
    assert datasets.read(str(tmp_path / "both.csv"))["text"].tolist() == ["a", "b"]
    assert datasets.read(str(tmp_path / "mac.csv"))["text"].tolist() == ["one, two", "", "three"]


def test_a_message_counts_lines_from_the_top_of_the_file_blank_ones_too(folders):
    for above, line in {"": 3, "\n": 4, " \t\n\r\n": 5}.items():
        ragged = write(folders / "ragged.csv", above + "text,label\na,b\nc,d,e\n")
        assert f"Expected 2 fields in line {line}, saw 3" in refused(ragged)
    assert "is empty" in refused(write(folders / "blank.csv", "\n \n\t\n"))


def test_a_text_that_begins_with_a_quote_does_not_swallow_the_rows_after_it(folders):
    """Many tools write tab-separated files without any quoting."""
    says = "lines 2 to 4 of 'plain.tsv' are one cell by their quotes, which then goes on; put quotes around all of a cell"
    content = 'text\tlabel\n"Hello she said\ta\nsecond\tb\n"Bye" he said\ta\nlast\tb\n'
    assert says in refused(write(folders / "plain.tsv", content))
    assert says.replace("2 to 4", "5 to 7") in refused(write(folders / "plain.tsv", "\n \t\n\r\n" + content))
    # Each on a line of its own: nothing is lost but quotes.
    inside = 'text\tlabel\n"Hello" she said\ta\nsecond\tb\n"Bye" he said\ta\n'
    assert len(datasets.read(str(write(folders / "inside.tsv", inside)))) == 3
    quoted = 'text,label\n"He said ""hello"", twice\nand left",a\nsix 6" nails,b\n'
    assert len(datasets.read(str(write(folders / "quoted.csv", quoted)))) == 2
