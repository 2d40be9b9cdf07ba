"""From runs to records on a tiny encoder: what is computed, what is not computed again, and what is shared."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from tokenizers import normalizers

from cluster_tune import datasets, design, encoders, experiment, glove, paths, reference, results, training
from cluster_tune.errors import CannotWrite, InputError
from cluster_tune.progress import Progress


@pytest.fixture
def asked(store, tiny_folder, sea_and_sky, tmp_path):
    """A file of texts and the tiny encoder: the runs of two settings, two recipes, two budgets."""
    sea_and_sky.to_csv(tmp_path / "Sea and Sky.csv", index=False)
    return design.combine([str(tmp_path / "Sea and Sky.csv")], str(tiny_folder), budgets=[8, 16], repetitions=[0, 1])


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


def test_texts_that_may_not_be_passed_on_are_not_among_the_examples(asked, ensure, monkeypatch):
    monkeypatch.setattr(datasets, "excerpts_allowed", lambda name: False)
    ensure(asked[:1])
    examples = results.table("examples", dataset="sea_and_sky")
    assert examples["text"].str.fullmatch(r"\(\d+ words; not shown here, since the licence .*\)").all()


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


def test_other_weights_under_the_same_name_make_the_tables_anew(asked, ensure, heard, store, tiny_folder, tmp_path):
    """But not those of a table that does not say by which weights it was made, which is how the book's began."""
    import safetensors.numpy

    weights = shutil.copytree(tiny_folder, tmp_path / "own" / "tiny") / "model.safetensors"
    runs = design.combine([asked[0].dataset], str(weights.parent), ["base"], ["paper"], [8], [0])
    ensure(runs)
    before = [results.table(kind) for kind in ("projection", "distances")]
    safetensors.numpy.save_file(
        {name: value * 2 for name, value in safetensors.numpy.load_file(weights).items()}, weights, {"format": "pt"}
    )
    ensure(runs)
    for old, kind in zip(before, ("projection", "distances"), strict=True):
        new = results.table(kind)
        assert old["encoder_fingerprint"].nunique() == new["encoder_fingerprint"].nunique() == 1
        assert set(old["encoder_fingerprint"]) != set(new["encoder_fingerprint"])
        (file,) = (store / kind).iterdir()
        new.drop(columns="encoder_fingerprint").to_csv(file, index=False)
    older = {file: file.read_bytes() for kind in ("projection", "distances") for file in (store / kind).iterdir()}
    heard.clear()
    ensure(runs)
    assert [event for event, _ in heard] == ["plan"]
    assert all(file.read_bytes() == content for file, content in older.items())


def test_identities_hold_what_decides_a_run_and_nothing_else():
    base, clust = design.combine(["d"], recipes=["paper"], budgets=[64], repetitions=[0])
    recipe = design.recipe("paper")
    slower = design.recipe("paper", inter_learning_rate=1e-6)
    known = (recipe, "data", "weights", "mean")
    assert experiment.identity(base, *known) == experiment.identity(base, slower, *known[1:])
    assert experiment.identity(clust, *known) != experiment.identity(clust, slower, *known[1:])
    assert experiment.identity(base, *known) != experiment.identity(base, recipe, "other", *known[2:])
    assert experiment.identity(base, *known) != experiment.identity(base, recipe, "data", "weights", "pooler")


def test_published_runs_keep_their_identities():
    """A change of the design that renames what was computed would have it all computed again."""
    runs = pd.read_csv(paths.root() / "results" / "runs.csv", dtype=str, keep_default_na=False)
    runs = runs[runs["encoder"] == "minilm"]
    minilm = encoders.resolve("minilm")
    for row in runs.to_dict("records"):
        keys = {key: row[key] for key in results.KEYS}
        run = design.Run(**{**keys, "budget": int(row["budget"]), "repetition": int(row["repetition"])})
        known = (row["data_fingerprint"], row["encoder_fingerprint"], minilm.pooling)
        own = {"mlm_epochs": int(row["mlm_epochs"])} if run.masks else {}  # as many as the machine had time for
        own |= {"inter_epochs": int(row["inter_epochs"]), "n_clusters": int(row["n_clusters"])} if run.clusters else {}
        changes = experiment.Changes(**own)
        recipe = experiment.recipe_for(run.recipe, minilm, changes)
        assert experiment.identity(run, recipe, *known, changes.n_clusters) == row["run_id"]
    assert len(runs) > 100 and {"base", "clust", "mlm", "mlm+clust"} <= set(runs["setting"])


def test_the_sweep_shares_the_starting_points_of_the_trained_recipe(asked, ensure, heard, store):
    where = asked[0].dataset, asked[0].encoder
    ensure(design.combine([where[0]], where[1], recipes=["trained", "updates-10", "updates-40"], budgets=[8], repetitions=[0]))
    firsts = [facts["what"] for facts in events(heard, "update") if facts["update"] == 1]
    assert sum("inter-training" in what for what in firsts) == 1
    updates = results.load().set_index(["setting", "recipe"])["updates"].to_dict()
    assert updates == {
        (setting, name): number
        for setting in ("base", "clust")
        for name, number in (("trained", 100), ("updates-10", 10), ("updates-40", 40))
    }
    for kind in ("losses", "projection", "distances"):
        assert set(results.table(kind)["recipe"]) <= {"", "trained"}
        assert not any("updates" in file.name for file in (store / kind).iterdir())


def test_an_encoder_brings_its_own_rates():
    minilm = encoders.resolve("minilm")
    assert experiment.recipe_for("updates-10", minilm).learning_rate == 1e-4
    assert experiment.recipe_for("updates-10", minilm).inter_learning_rate == 1e-4
    assert experiment.recipe_for("paper", minilm) == design.RECIPES["paper"]
    assert experiment.recipe_for("trained", minilm).learning_rate == 1e-4
    crossed = experiment.recipe_for(design.CROSSED, minilm)
    assert (crossed.inter_learning_rate, crossed.learning_rate, crossed.updates(64)) == (3e-5, 1e-4, 100)
    assert design.group(design.combine(["isear"], recipes=[design.CROSSED])[-1]) == "isear.minilm.clust.sib.paper"


@pytest.mark.parametrize("budget, says", [(1, "below the 2 classes"), (281, "above the 280 training texts")])
def test_a_budget_that_cannot_be_stops_before_anything_is_trained(asked, ensure, heard, budget, says):
    runs = design.combine([asked[0].dataset], asked[0].encoder, budgets=[8, budget], repetitions=[0])
    with pytest.raises(InputError, match=says):
        ensure(runs)
    assert heard == []


@pytest.fixture
def words(asked):
    """The runs on masked words, alone and before the clusters, one a setting."""
    return design.combine([asked[0].dataset], asked[0].encoder, ["mlm", "mlm+clust"], ["paper"], [8], [0])


def test_masked_words_are_learned_once_for_both_settings(words, ensure, heard):
    changes = experiment.Changes(mlm_epochs=2)
    ensure(words, changes=changes)
    frame = results.of(experiment.named(words)).set_index("setting")
    assert frame["mlm_epochs"].to_dict() == {"mlm": 2, "mlm+clust": 2}
    assert frame["mlm_duplicates"].tolist() == [5, 5] and frame["n_clusters"].to_dict() == {"mlm": 0, "mlm+clust": 50}
    learned = [facts["update"] for facts in events(heard, "update") if "masked words" in facts["what"]]
    assert learned == list(range(1, 11))  # two epochs of five updates
    losses = results.table("losses", dataset="sea_and_sky")
    assert losses.groupby("setting")["update"].max().to_dict() == {"mlm": 10, "mlm+clust": 5}
    assert set(losses[losses["setting"] == "mlm"]["head"]) == {"new"}
    assert list(paths.models().glob("*")) == []
    heard.clear()
    ensure(words, changes=changes)
    assert events(heard, "run") == []


def test_weights_that_are_kept_go_by_what_their_stage_uses_alone(words, asked, ensure, heard):
    changes = experiment.Changes(mlm_epochs=2, n_clusters=5, inter_epochs=2)
    ensure(words[:1], changes=experiment.Changes(mlm_epochs=2), keep_models=True)
    heard.clear()
    ensure(words[1:], changes=changes, keep_models=True)
    assert not any("masked words" in facts["what"] for facts in events(heard, "update"))
    data, machine = datasets.load(asked[0].dataset), experiment._Machine(asked[0].encoder, "auto", "fp32")

    def name(run, **own):
        study = experiment._Study(data, machine, experiment.Changes(**own))
        return study._name(study.start(run))

    (clust,) = design.combine(["d"], settings=["clust"], recipes=["paper"], budgets=[8], repetitions=[0])
    assert name(clust) == name(clust, mlm_epochs=2) != name(clust, inter_epochs=2) != name(clust, n_clusters=5)
    mlm, both = words
    assert name(mlm) == name(mlm, n_clusters=5) != name(mlm, mlm_epochs=2) and name(both) != name(both, mlm_epochs=2)


LEARNED = experiment.Changes(mlm_epochs=2)


def kept(suffix=".safetensors"):
    return list(paths.models().glob(f"*{suffix}"))


def test_weights_stay_while_another_process_needs_them(words, ensure):
    """A command with fewer runs, which are finished, beside a long grid."""
    study = experiment._Study(datasets.load(words[0].dataset), experiment._Machine(words[0].encoder, "auto", "fp32"), LEARNED)
    needs = "import sys; from cluster_tune import claims; claims.want(sys.argv[1]); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", needs, study._name(study.start(words[0]))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        ensure(words[:1], changes=LEARNED)
        assert kept()
        other.kill()
    ensure(words[:1], changes=LEARNED)
    assert not kept()


def test_kept_weights_serve_an_empty_store_and_bring_their_losses(words, ensure, heard):
    ensure(words, changes=LEARNED, keep_models=True)
    losses = results.table("losses", dataset="sea_and_sky")
    shutil.rmtree(paths.results())
    heard.clear()
    ensure(words, changes=LEARNED, keep_models=True)
    assert len(events(heard, "run")) == 2 and not any("inter-training" in facts["what"] for facts in events(heard, "update"))
    pd.testing.assert_frame_equal(results.table("losses", dataset="sea_and_sky"), losses)


def test_texts_are_tokenised_once_for_all_processes_that_work_on_them(asked, ensure, monkeypatch):
    ensure(asked[:2])
    first = results.load().set_index("run_id")["accuracy"]
    shutil.rmtree(paths.results() / "runs")
    with monkeypatch.context() as without:
        without.setattr(training, "tokenise", None)
        ensure(asked[:2])
    assert results.load().set_index("run_id")["accuracy"].to_dict() == first.to_dict()


@pytest.mark.parametrize("damage", [lambda whole: b"", lambda whole: whole[:100], lambda whole: whole[:-100] + bytes(100),
                                    lambda whole: whole.replace(b"PK\x01\x02\x2d\x03\x2d", b"PK\x01\x02\x2d\x03\xff")])
def test_damaged_word_pieces_are_made_anew(asked, ensure, damage):
    ensure(asked[:2])
    first = results.load().set_index("run_id")["accuracy"]
    shutil.rmtree(paths.results() / "runs")
    files = {file: file.read_bytes() for file in (paths.data() / "tokens").glob("*.npz")}
    assert len(files) == 2
    for file, whole in files.items():
        file.write_bytes(damage(whole))
    ensure(asked[:2])
    assert results.load().set_index("run_id")["accuracy"].to_dict() == first.to_dict()
    assert {file: file.read_bytes() for file in files} == files


def test_another_way_to_cut_texts_finds_no_kept_word_pieces(asked, ensure, tiny_folder):
    ensure(asked[:1])
    kept = set((paths.data() / "tokens").glob("*.npz"))
    config = tiny_folder / "tokenizer_config.json"
    before = config.read_text()
    try:
        config.write_text(json.dumps({**json.loads(before), "model_max_length": 100}))
        with pytest.raises(InputError, match="reads 100 word pieces at most, not 128"):
            ensure(asked[1:2])
    finally:
        config.write_text(before)
    ensure(asked[1:2])
    assert set((paths.data() / "tokens").glob("*.npz")) == kept
    encoder = encoders.resolve(str(tiny_folder))
    one, other = encoders.tokenizer(encoder), encoders.tokenizer(encoder)
    other.backend_tokenizer.normalizer = normalizers.Lowercase()  # and accents stay
    assert experiment._how_it_cuts(one) == experiment._how_it_cuts(encoders.tokenizer(encoder)) != experiment._how_it_cuts(other)


def test_word_pieces_that_cannot_be_kept_do_not_stop_anything(asked, ensure):
    paths.writable(paths.data())
    (paths.data() / "tokens").write_text("no folder")
    ensure(asked[:2])
    assert len(results.load()) == 2


def test_what_can_be_made_again_is_made_again_where_it_is_damaged(words, ensure, heard):
    ensure(words, changes=LEARNED, keep_models=True)
    for file in (*kept(), *(paths.data() / "partitions").glob("*.npy")):
        file.write_bytes(file.read_bytes()[: 100 * (file.suffix != ".npy")])
    (paths.results() / "facts" / "sea_and_sky.csv").write_text("")
    shutil.rmtree(paths.results() / "runs")
    heard.clear()
    ensure(words, changes=LEARNED)
    assert len(events(heard, "run")) == 2 and not results.table("facts", dataset="sea_and_sky").empty
    said = [facts["what"] for facts in events(heard, "said")]
    assert sum("is damaged, and made anew" in what for what in said) == 2


def test_maps_that_the_store_lacks_are_told_and_their_models_made_once(words, ensure, heard, capsys):
    ensure(words, changes=LEARNED)
    for file in (paths.results() / "projection").glob("*"):
        file.unlink()
    heard.clear()
    ensure(words, changes=LEARNED)
    (plan,) = events(heard, "plan")
    assert plan["missing"] == 0 and plan["texts"] > 0
    bar = Progress()
    bar("plan", plan)
    bar.close()
    assert ("sea_and_sky: maps of embeddings are not in the store, and made anew with the models behind them: "
            "mlm paper, mlm+clust paper") in capsys.readouterr().out
    assert len([facts for facts in events(heard, "update") if "masked words" in facts["what"]]) == 10  # two epochs, once
    assert not kept()


def test_weights_are_needed_no_longer_once_work_is_over_or_stopped(words, heard):
    def stop(event, facts):
        if event == "run":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        experiment.ensure(words, precision="fp32", changes=LEARNED, report=stop)
    look = "import sys; from cluster_tune import claims\nwith claims.unwanted(sys.argv[1]) as alone: print(alone)"
    (file,) = kept()
    found = subprocess.run([sys.executable, "-c", look, file.name.split(".")[0]], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "True"


def test_a_full_disk_is_no_damage(words, ensure, heard, monkeypatch):
    ensure(words[:1], changes=LEARNED, keep_models=True)
    shutil.rmtree(paths.results())
    heard.clear()
    whole = results.write_table

    def full(kind, *rest):
        if kind == "losses":
            raise CannotWrite("No space left on device")
        return whole(kind, *rest)

    monkeypatch.setattr(results, "write_table", full)
    with pytest.raises(CannotWrite, match="No space left"):
        ensure(words[:1], changes=LEARNED, keep_models=True)
    assert events(heard, "update") == [] and not any("damaged" in facts["what"] for facts in events(heard, "said"))


def test_weights_of_another_precision_are_told(words, ensure, heard):
    ensure(words[:1], changes=LEARNED, keep_models=True)
    for file in kept():
        file.rename(file.with_name(file.name.replace(".fp32.", ".bf16.")))
    shutil.rmtree(paths.results() / "runs")
    heard.clear()
    ensure(words[:1], changes=LEARNED)
    said = [facts["what"] for facts in events(heard, "said")]
    assert "sea_and_sky mlm: what is there in bf16 is of no use to fp32; stop, and give --precision bf16, to go on from it" in said


def test_a_finished_store_is_not_written_to(words, ensure, heard, monkeypatch):
    ensure(words, changes=LEARNED)
    heard.clear()
    monkeypatch.setattr(experiment.claims, "_file", lambda: pytest.fail("claims in a store that may be read-only"))
    ensure(words, changes=LEARNED)
    assert [event for event, _ in heard] == ["plan"]


def test_a_store_without_locks_is_told(asked, ensure, heard, monkeypatch):
    monkeypatch.setattr(experiment.claims, "there", lambda: False)
    ensure(asked[:1])
    assert "has no locks: let one process at a time work on it" in events(heard, "said")[0]["what"]
    heard.clear()
    ensure(asked[:1])
    assert events(heard, "said") == []


def test_the_time_left_comes_to_nothing_also_where_work_was_resumed(words, capsys):
    def stop(event, facts):
        if event == "update" and facts["update"] == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        experiment.ensure(words, precision="fp32", changes=LEARNED, report=stop)
    bar, heard = Progress(), []

    def both(event, facts):
        heard.append((event, facts))
        bar(event, facts)

    experiment.ensure(words, precision="fp32", changes=LEARNED, report=both)
    bar.close()
    assert bar.read > 0 and bar.left == 0
    # The epoch that was stored, an update's texts thrice.
    assert [facts["texts"] for facts in events(heard, "spared")] == [3 * 5 * 64]


def test_masked_words_change_what_is_fine_tuned(words, ensure, asked):
    ensure(words + asked[:1], changes=experiment.Changes(mlm_epochs=2))
    points = results.table("projection", dataset="sea_and_sky").groupby("setting")["x"].apply(list)
    assert points["base"] != points["mlm"] != points["mlm+clust"]


def test_masked_words_of_an_encoder_with_narrow_embeddings(asked, ensure, tiny_folder, tmp_path):
    """An ALBERT's are narrower than its layers. It is no tool for these settings, and right for the others."""
    from transformers import AlbertConfig, AlbertModel, AutoTokenizer

    folder = tmp_path / "albert"
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    tokenizer.save_pretrained(folder)
    sizes = dict(embedding_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    AlbertModel(AlbertConfig(vocab_size=len(tokenizer), max_position_embeddings=128, **sizes)).save_pretrained(folder)
    runs = design.combine([asked[0].dataset], str(folder), ["base", "mlm"], ["paper"], [8], [0])
    (line,) = ensure(runs, tolerant=True)
    assert "encoder 'albert' has word embeddings narrower than its layers" in line and "leave out the settings mlm" in line
    assert set(results.load()["setting"]) == {"base"}


def test_masked_words_interrupted_go_on_from_the_last_epoch(words, heard, ensure):
    def stop(event, facts):
        if event == "update" and facts["update"] == 8:
            raise KeyboardInterrupt

    changes = experiment.Changes(mlm_epochs=3)
    with pytest.raises(KeyboardInterrupt):
        experiment.ensure(words, precision="fp32", changes=changes, report=stop)
    ensure(words, changes=changes)
    learned = [facts["update"] for facts in events(heard, "update") if "masked words" in facts["what"]]
    assert learned == list(range(6, 16))


def stop_before(monkeypatch, name):
    """Kill the process, so to speak, as the study is about to do `name`."""

    whole = getattr(experiment._Study, name)

    def stop(study, what, *rest):
        # The tables of the data set come long before.
        if isinstance(what, str) and what in ("facts", "lengths", "examples", "data"):
            return whole(study, what, *rest)
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment._Study, name, stop)


@pytest.mark.parametrize("moment", ["_write_weights", "_write", "_project", "_run"])
def test_a_kill_once_masked_words_are_learned_loses_none_of_it(words, ensure, heard, monkeypatch, moment):
    changes = experiment.Changes(mlm_epochs=2)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        stop_before(patched, moment)
        ensure(words, changes=changes)
    heard.clear()
    ensure(words, changes=changes)
    assert not any("masked words" in facts["what"] for facts in events(heard, "update"))
    losses = results.table("losses", dataset="sea_and_sky")
    assert losses.groupby("setting")["update"].max().to_dict() == {"mlm": 10, "mlm+clust": 5}
    assert list(paths.models().glob("*")) == []


def test_tables_follow_the_most_epochs_of_masked_words(words, ensure):
    def look():
        points, losses = (results.table(kind, setting="mlm") for kind in ("projection", "losses"))
        assert set(points["mlm_epochs"]) == set(losses["mlm_epochs"]) == set(results.load(setting="mlm")["mlm_epochs"])
        return list(points["x"]), losses["update"].max()

    seen = []
    for epochs in (2, 4, 1):
        ensure(words[:1], changes=experiment.Changes(mlm_epochs=epochs))
        seen.append(look())
    assert seen[0][0] != seen[1][0] and seen[1] == seen[2] and seen[1][1] == 20


def test_a_run_of_more_epochs_changes_what_is_shown_once_there_are_as_many(words, ensure):
    """Runs, losses and maps together; and what is shown no more is there for when it is."""
    def shown():
        tables = (results.table(kind, setting="mlm") for kind in ("projection", "losses", "distances"))
        return [sorted(set(frame["mlm_epochs"])) for frame in (results.load(setting="mlm"), *tables)]

    both = [run for run in words if run.setting == "mlm"]
    both = [replace(both[0], repetition=repetition) for repetition in (0, 1)]
    ensure(both, changes=experiment.Changes(mlm_epochs=1))
    ensure(both[:1], changes=experiment.Changes(mlm_epochs=2))
    assert shown() == [[1]] * 4
    ensure(both[1:], changes=experiment.Changes(mlm_epochs=2))
    assert shown() == [[2]] * 4


def test_clusters_of_ones_own_concern_only_what_uses_clusters(words, ensure, heard):
    ensure(words[:1], changes=experiment.Changes(mlm_epochs=2, n_clusters=5, inter_epochs=3))
    assert set(results.table("losses")["mlm_epochs"]) == {2}
    heard.clear()
    ensure(words[:1], changes=experiment.Changes(mlm_epochs=2))
    assert [event for event, _ in heard] == ["plan"]


def test_the_papers_own_numbers_given_by_hand_are_the_papers(asked, ensure, heard):
    clust = [run for run in asked if run.setting == "clust"][:1]
    ensure(clust, changes=experiment.Changes(n_clusters=50, inter_epochs=1))
    heard.clear()
    ensure(clust)
    assert [event for event, _ in heard] == ["plan"]


@pytest.mark.parametrize("clustering", ["sib", "kmeans"])
def test_more_clusters_than_texts_make_stop_before_anything_is_trained(asked, ensure, heard, monkeypatch, clustering):
    """Also before the runs of the plain setting, which come first."""
    monkeypatch.setattr(glove, "_files", lambda: [glove.File(Path("glove.6B.50d.txt"))])
    runs = design.combine([asked[0].dataset], asked[0].encoder, budgets=[8], repetitions=[0], clustering=clustering)
    with pytest.raises(InputError, match="the 280 texts have only .* too few for 500 clusters; give at most"):
        ensure(runs, changes=experiment.Changes(n_clusters=500))
    assert heard == [] and len(results.load(aside=True)) == 0
    plain = [run for run in runs if run.setting == "base"]
    ensure(plain, changes=experiment.Changes(n_clusters=500))
    assert len(results.load()) == 2


@pytest.mark.parametrize(
    "where, says", [({"device": "gpu"}, "unknown device"), ({"precision": "fp16"}, "unknown precision")]
)
def test_a_device_or_precision_that_is_none_stops_before_the_plan(asked, heard, where, says):
    with pytest.raises(InputError, match=says):
        experiment.ensure(asked, **where, report=lambda event, facts: heard.append(event))
    assert heard == []


def test_clusters_that_cannot_be_show_before_masked_words_are_learned(words, ensure, heard, monkeypatch):
    """Where it is not foreseen, too, which it is not of many texts."""
    monkeypatch.setattr(reference, "foresee", lambda *_: None)
    with pytest.raises(InputError, match="too few for 500 clusters"):
        ensure(words[1:], changes=experiment.Changes(mlm_epochs=2, n_clusters=500))
    assert events(heard, "update") == []


def test_another_number_of_clusters_stands_aside(asked, ensure):
    clust = [run for run in asked if run.setting == "clust"][:1]
    ensure(asked[:1])
    ensure(clust, changes=experiment.Changes(n_clusters=5, inter_epochs=2))
    assert results.of(experiment.named(clust)).empty
    row = results.load(aside=True).query("setting == 'clust'").iloc[0]
    assert (row["n_clusters"], row["inter_epochs"]) == (5, 2)
    with pytest.raises(InputError, match="no losses"):
        results.table("losses", dataset="sea_and_sky")


@pytest.mark.parametrize("changes", [{"mlm_epochs": 0}, {"inter_epochs": -1}, {"n_clusters": 1}])
def test_changes_that_make_no_sense(changes):
    (name, value), = changes.items()
    with pytest.raises(InputError, match=f"{name} '{value}' is not a whole number of at least"):
        experiment.Changes(**changes)


def test_recipes_have_the_rates_of_their_encoder():
    paper, trained = experiment.recipes("minilm")
    assert (paper.name, paper.learning_rate, trained.name, trained.learning_rate) == ("paper", 3e-5, "trained", 1e-4)


def test_an_encoder_of_the_hub_finds_its_tables_again(words, ensure, heard, store, monkeypatch):
    """Names of the hub have a slash; a table must not lie in a folder for that, where nobody looks."""
    known = encoders.resolve(words[0].encoder)
    monkeypatch.setattr(encoders, "resolve", lambda name: replace(known, name="some/tiny"))
    monkeypatch.setattr(encoders, "name_of", lambda name: "some/tiny")
    ensure(words, changes=experiment.Changes(mlm_epochs=2))
    learned = [facts["update"] for facts in events(heard, "update") if "masked words" in facts["what"]]
    assert learned == list(range(1, 11))  # once for both settings
    assert set(results.table("losses")["encoder"]) == {"some/tiny"}
    assert (store / "losses" / "sea_and_sky.some--tiny.mlm.paper.2.csv").is_file()
    heard.clear()
    ensure(words, changes=experiment.Changes(mlm_epochs=2))
    assert [event for event, _ in heard] == ["plan"]


def test_other_word_vectors_make_other_runs(monkeypatch):
    (clust,) = design.combine(["d"], settings=["clust"], recipes=["paper"], budgets=[64], repetitions=[0], clustering="kmeans")
    known = (clust, design.recipe("paper"), "data", "weights", "mean", 50)
    for name, vectors in (("glove.6B.50d", ""), ("glove.6B.300d", "glove.6B.300d")):
        monkeypatch.setattr(glove, "_files", lambda name=name: [glove.File(Path(f"{name}.txt"))])
        assert experiment._vectors("kmeans") == vectors and experiment._vectors("sib") == ""
        assert (experiment.identity(*known, vectors) == experiment.identity(*known)) is (vectors == "")
    monkeypatch.setattr(glove, "_files", list)
    assert experiment._vectors("hartigan") == ""  # none at hand: what is stored counts as done


def test_weights_that_were_to_be_kept_stay_whoever_comes_later(asked, ensure):
    clust = [run for run in asked if run.setting == "clust" and run.recipe == "paper"]
    ensure(clust, keep_models=True)
    (weights,) = paths.models().glob("*.safetensors")
    ensure(clust)
    assert weights.is_file()


def test_weights_that_are_no_longer_there_to_be_kept_are_counted(asked, ensure, heard):
    clust = [run for run in asked if run.setting == "clust" and run.recipe == "paper"]
    ensure(clust[:2])
    ensure(clust[:2], keep_models=True)
    ensure(clust, keep_models=True)  # a run is missing, and the weights come with it
    ensure(clust, keep_models=True)
    assert [facts["gone"] for facts in events(heard, "plan")] == [0, 1, 0, 0]


def test_the_way_of_others_through_masked_words_is_not_deleted(words, ensure):
    """A grid of other budgets stopped between two epochs; this one, whose own runs are done, has nothing to forget."""
    changes = experiment.Changes(mlm_epochs=2)
    ensure(words, changes=changes)
    study = experiment._Study(datasets.load(words[0].dataset), experiment._Machine(words[0].encoder, "auto", "fp32"), changes)
    part = paths.models() / f"{study._name(study.start(experiment.named(words)[0]))}.fp32.part"
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(b"an epoch")
    ensure(words, changes=changes)
    assert part.read_bytes() == b"an epoch"


@pytest.mark.parametrize("tolerant", [False, True])
def test_two_data_sets_of_one_name_are_refused_before_anything_is_computed(asked, ensure, heard, tmp_path, sea_and_sky, tolerant):
    """The same texts at two places are one data set; others of that name would hide them."""
    (tmp_path / "b").mkdir()
    paths_of = [asked[0].dataset, str(tmp_path / "b" / "sea and sky.csv")]
    sea_and_sky[:300].to_csv(paths_of[1], index=False)
    runs = design.combine(paths_of, asked[0].encoder, ["base"], ["paper"], [8], [0])
    says = f"'{paths_of[0]}' and '{paths_of[1]}' are both called 'sea_and_sky' in the results; rename one of them"
    with pytest.raises(InputError) as error:
        ensure(runs, tolerant=tolerant)
    assert str(error.value) == says and heard == []
    sea_and_sky.to_csv(paths_of[1], index=False)
    assert ensure(runs) == [] and len(results.load()) == 1


@pytest.mark.parametrize("foreseen", [True, False])
def test_what_fails_as_it_is_computed_leaves_the_others(asked, ensure, tmp_path, sea_and_sky, monkeypatch, foreseen):
    if not foreseen:
        monkeypatch.setattr(reference, "foresee", lambda *_: None)
    few = sea_and_sky[:30].sample(400, replace=True, random_state=0)  # too few different texts for 50 clusters
    few.to_csv(tmp_path / "few.csv", index=False)
    runs = design.combine([str(tmp_path / "few.csv"), asked[0].dataset], asked[0].encoder, ["clust"], ["paper"], [8], [0])
    with pytest.raises(InputError, match="50 clusters"):
        ensure(runs)
    (line,) = ensure(runs, tolerant=True)
    assert line.startswith("few (") and "50 clusters" in line
    assert set(results.load()["dataset"]) == {"sea_and_sky"}


@pytest.mark.parametrize("where", ["copy_of", "adam"])
def test_a_gpu_too_small_for_the_model_is_one_line(asked, ensure, monkeypatch, where):
    """Also where it shows as weights are copied or the optimiser begins, and not in a batch, which could be divided."""
    import torch

    from cluster_tune import training

    whole, calls = getattr(training, where), []

    def once(*given):
        calls.append(given)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\nGPU 0 has ...")
        return whole(*given)

    monkeypatch.setattr(training, where, once)
    runs = design.combine([asked[0].dataset], asked[0].encoder, ["base"], ["paper", "trained"], [8], [0])
    (line,) = ensure(runs, tolerant=True)
    assert "the GPU's memory is too small for base" in line and "fewer --processes or for --device cpu" in line
    ensure(runs)
    assert len(results.load()) == 2


def test_where_nothing_can_be_stored_nothing_more_is_computed(asked, ensure, heard, monkeypatch):
    def full(record):
        raise CannotWrite("cannot write it: No space left on device")

    monkeypatch.setattr(results, "write", full)
    with pytest.raises(CannotWrite, match="No space left"):
        ensure(asked, tolerant=True)
    assert events(heard, "run") == []


def test_runs_in_other_hands_leave_the_model_alone(asked, ensure, heard, monkeypatch):
    """A process that only waits does not load weights, which would take cores from those at work."""
    looks = []

    def in_other_hands(study, run):
        looks.append(run)
        if len(looks) > 3:
            raise KeyboardInterrupt
        return False

    monkeypatch.setattr(experiment._Study, "_free", in_other_hands)
    monkeypatch.setattr(experiment._Study, "_begin", lambda *_: pytest.fail("took the model into hand"))
    monkeypatch.setattr(experiment.claims, "PATIENCE", 0)
    with pytest.raises(KeyboardInterrupt):
        ensure(asked[:1])
    said = [facts["what"] for facts in events(heard, "waits")]
    assert said == ["waiting for other processes, which have the rest in hand (sea_and_sky base paper: 1 run)"]


@pytest.fixture
def side_by_side(monkeypatch):
    """What a GPU would do, here."""
    from cluster_tune import stacked

    monkeypatch.setattr(stacked, "DEVICES", ("cpu",))
    asked = []
    plain = stacked.fine_tune
    monkeypatch.setattr(stacked, "fine_tune", lambda *args, **how: asked.append(len(how["seeds"])) or plain(*args, **how))
    return asked


def test_repetitions_of_a_budget_are_trained_side_by_side(asked, ensure, heard, side_by_side):
    ensure(asked)
    frame = results.of(experiment.named(asked))
    assert len(frame) == 16 and set(frame["updates"]) == {10, 100}
    assert side_by_side.count(2) == 8 and side_by_side.count(1) == 2  # 8 cells of the grid; inter-training is of one copy
    assert (frame.groupby(["budget", "repetition"])["sample_fingerprint"].nunique() == 1).all()
    told = [facts for facts in events(heard, "update") if "repetitions" in facts["what"]]
    assert len(told) == 4 * (10 + 100)


def test_side_by_side_what_is_done_is_left_out_and_nothing_is_done_twice(asked, ensure, side_by_side):
    ensure([run for run in asked if run.repetition == 0])
    before = results.load().set_index("run_id")["accuracy"]
    side_by_side.clear()
    more = [replace(run, repetition=number) for run in asked[::2] for number in (0, 1, 2, 2)]
    ensure(more)
    after = results.load().set_index("run_id")["accuracy"]
    assert len(after) == 24 and (after[before.index] == before).all()
    assert side_by_side.count(2) == 8 and side_by_side.count(1) == 2  # the cells, and inter-training


def test_repetitions_that_do_not_fit_together_are_trained_alone(asked, ensure, side_by_side, monkeypatch):
    import torch

    from cluster_tune import stacked

    def short(*args, seeds, **how):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(stacked, "fine_tune", short)
    ensure(asked)
    assert len(results.of(experiment.named(asked))) == 16
