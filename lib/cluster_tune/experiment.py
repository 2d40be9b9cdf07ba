"""From a list of runs to finished records: the only module that joins the stages.

`ensure(runs)` asks the store first and computes only what is missing: per data set, texts are clustered and tokenised
once; per starting point (a setting under a recipe) the model is inter-trained once, whatever the number of budgets and
repetitions fine-tuned from it. What the pages show beside accuracies (clusters, losses, projections) is computed on
the way and stored as tables. Several processes may work on the same runs: each run and each inter-training is claimed.
"""

import contextlib
import hashlib
import importlib.metadata
import io
import json
import platform
import time
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from cluster_tune import (
    __version__, claims, datasets, design, encoders, glove, paths, reference, results, sampling, stats,
)  # fmt: skip
from cluster_tune.design import Recipe, Run
from cluster_tune.errors import CannotWrite, InputError
from cluster_tune.progress import Report, silent
from cluster_tune.text import shortened

SEED = 0  # of the clustering and of inter-training: each is done once a data set (section 3.2)
EXAMPLES = 6  # texts shown on a page
EXCERPT = 240  # characters of each
WITHHELD = "({} words; not shown here, since the licence does not clearly allow it)"
PROJECTED = 2000  # texts in a t-SNE figure and in the distances of section 5.3
TOKENS = 1  # to be counted up where `training.tokenise` makes something else of the same texts
UPDATE_COSTS = 3  # what an update costs a text, counted in predictions for a text


@dataclass(frozen=True)
class Start:
    """A starting point of fine-tuning: a setting, with its clustering if it has one, under the recipe that
    inter-trains. Recipes of one family differ in fine-tuning alone and have their starting points in common."""

    setting: str
    clustering: str
    recipe: Recipe

    @property
    def keys(self) -> dict[str, str]:
        """Its columns in the tables. A plain start is the same under every recipe."""
        recipe = "" if self.setting == "base" else self.recipe.name
        return {"setting": self.setting, "clustering": self.clustering, "recipe": recipe}


@dataclass(frozen=True)
class Changes:
    """What a grid does otherwise than its recipes say about inter-training. None leaves it as it is."""

    inter_epochs: int | None = None
    mlm_epochs: int | None = None
    n_clusters: int = design.N_CLUSTERS

    def __post_init__(self):
        for key, least in {"inter_epochs": 1, "mlm_epochs": 1, "n_clusters": 2}.items():
            value = getattr(self, key)
            if value is not None and (type(value) is not int or value < least):
                raise InputError(f"{key} '{value}' is not a whole number of at least {least}; give another")

    @property
    def fields(self) -> dict[str, int]:
        """The fields of a recipe that change."""
        return {key: value for key in ("inter_epochs", "mlm_epochs") if (value := getattr(self, key)) is not None}

    @property
    def aside(self) -> bool:
        """Whether clusters are used otherwise than in the book, whose tables such starting points must leave alone.
        Fewer epochs of masked words are what a small machine can do of the book's own."""
        return self.inter_epochs not in (None, 1) or self.n_clusters != design.N_CLUSTERS


def recipe_for(name: str, encoder: encoders.Encoder, changes: Changes = Changes()) -> Recipe:
    """The recipe of that name at the rates the encoder brings for the recipes of its two stages."""
    return design.suited(name, encoder.rates, **changes.fields)


def recipes(encoder: str) -> list[Recipe]:
    """The paper's recipe and the trained one with the rates that the encoder of that name brings."""
    found = encoders.resolve(encoder)
    return [recipe_for(name, found) for name in ("paper", "trained")]


def identity(
    run: Run,
    recipe: Recipe,
    data_fingerprint: str,
    encoder_fingerprint: str,
    pooling: str,
    n_clusters: int = design.N_CLUSTERS,
    vectors: str = "",
) -> str:
    """The run's identity in the store: its keys and all that decides its outcome, and nothing that does not. `vectors`
    names the word vectors of its clusters, where these are others than the published ones."""
    how = {key: value for key, value in asdict(recipe).items() if not key.startswith(_unused(run.setting))}
    return results.identity(
        {
            **{key: getattr(run, key) for key in results.KEYS},
            "how": how,
            "data": data_fingerprint,
            "weights": encoder_fingerprint,
            "pooling": pooling,
            "n_clusters": n_clusters if run.clusters else 0,
            **({"vectors": vectors} if vectors else {}),
        }
    )


def _vectors(clustering: str) -> str:
    """The name of the word vectors that a clustering works on, if they are others than the published ones."""
    return glove.other() if reference.needs_glove(clustering) else ""


def _unused(setting: str) -> tuple[str, ...]:
    """Beginnings of the recipe fields that have no part in a setting; masked words come in the clusters' batch size."""
    by_setting = {"base": ("inter_", "mlm_"), "clust": ("mlm_",), "mlm": ("inter_learning_rate", "inter_epochs")}
    return by_setting.get(setting, ())


def ensure(
    runs: Iterable[Run],
    *,
    text_column: str = "text",
    label_column: str = "label",
    device: str = "auto",
    precision: str = "auto",
    changes: Changes = Changes(),
    keep_models: bool = False,
    tolerant: bool = False,
    report: Report = silent,
) -> list[str]:
    """Compute every run of `runs` that the store does not have, and the tables of its data sets, in the order given.

    Stopping at any moment loses at most the run, the clustering or the inter-training on clusters in hand, and of
    masked words at most an epoch; calling again goes on from there. Where another process works on the same runs,
    neither does what the other has in hand, and both return when all is done. Inter-trained weights are kept until all
    of `runs` that begin from them are finished, with `keep_models` for good, unless the runs were finished before.
    `report(event, facts)` hears of the plan, of updates and of finished runs.

    What cannot be run is an error; with `tolerant` it is left out, and a line for each reason is returned.
    """
    if (device, precision) != ("auto", "auto"):  # which are right everywhere, and then nothing needs torch yet
        _check_machine(device, precision)
    done = results.finished()
    known, left_out = _studies(runs, done, (text_column, label_column), changes, (device, precision), tolerant)
    studies = list(dict.fromkeys(study for study, _ in known))
    try:
        for study in studies:
            study.plan([run for of, run in known if of is study], done, keep_models, report)
        if any(study.counted or len(study.seen) < len(study.runs) for study in studies) and not claims.there():
            report("said", {"what": f"'{paths.results()}' has no locks: let one process at a time work on it, "
                                    "or divide the grid with --shard"})
        together = groupby(known, key=lambda pair: (pair[0], pair[0].start(pair[1])))
        jobs = [(study, start, [run for _, run in group]) for (study, start), group in together]
        left_out += _work_off(jobs, tolerant, report)
    finally:
        for study in studies:
            study.release()
    return list(dict.fromkeys(left_out))


def _work_off(jobs: list[tuple["_Study", "Start", list[Run]]], tolerant: bool, report: Report) -> list[str]:
    """Compute the runs of each start, going round those that other processes have in hand; a line for each left out."""
    left_out, waiting = [], False
    while jobs:
        busy = []
        for study, start, group in jobs:
            try:
                busy += [] if study.compute(start, group) else [(study, start, group)]
            except CannotWrite:  # whatever else is computed would be lost, too
                raise
            except InputError as error:
                if not tolerant:
                    raise
                left_out.append(f"{study.data.name} ({error})")
        if len(busy) == len(jobs):  # all of it in other hands
            if not waiting:
                report("waits", {"what": f"waiting for other processes, which have the rest in hand ({_hands(jobs)})"})
            waiting = True
            time.sleep(claims.PATIENCE)
        else:
            waiting = False
        jobs = busy
    return left_out


def _hands(jobs: list[tuple["_Study", "Start", list[Run]]]) -> str:
    """What is left, as "isear mlm paper: 5 runs"."""
    left: dict[str, int] = {}
    for study, start, runs in jobs:
        name = " ".join(filter(None, (study.data.name, start.setting, start.clustering, start.recipe.name)))
        left[name] = left.get(name, 0) + sum(run not in study.seen for run in runs)
    return ", ".join(f"{name}: {count} run{'s' * (count > 1)}" if count else f"{name}: its map" for name, count in left.items())


def survey(
    runs: Iterable[Run], text_column: str = "text", label_column: str = "label", changes: Changes = Changes()
) -> tuple[list[Run], list[Run], list[str]]:
    """Without computing anything: the runs under their names in the store, those of them that are finished, and a line
    for each reason why others cannot be run."""
    done = results.finished()
    known, left_out = _studies(runs, done, (text_column, label_column), changes, tolerant=True)
    return [run for _, run in known], [run for study, run in known if study.identity(run) in done], left_out


def _studies(
    runs: Iterable[Run],
    done: set[str],
    columns: tuple[str, str],
    changes: Changes,
    where: tuple[str, str] = ("auto", "auto"),
    tolerant: bool = False,
) -> tuple[list[tuple["_Study", Run]], list[str]]:
    """Each run that can be run with its data set's study, in the order given, and why others cannot."""
    runs = list(runs)
    machines = {name: _Machine(name, *where) for name in dict.fromkeys(run.encoder for run in runs)}
    studies: dict[tuple[str, str], _Study | None] = {}
    known: list[tuple[_Study, Run]] = []
    reasons: dict[str, dict[str, None]] = {}
    for given, run in zip(runs, named(runs), strict=True):
        key = (given.dataset, given.encoder)
        try:
            if key not in studies:
                studies[key] = None  # unless it can be had
                studies[key] = _Study(datasets.load(given.dataset, *columns), machines[given.encoder], changes)
            if (study := studies[key]) is not None:
                study.check(run, done)
                known.append((study, run))
        except InputError as error:
            if not tolerant:
                raise
            reasons.setdefault(str(error), {})[run.dataset] = None
    datasets.check_names({given: study.data for (given, _), study in studies.items() if study is not None})
    return known, [f"{', '.join(names)} ({reason})" for reason, names in reasons.items()]


def named(runs: Iterable[Run]) -> list[Run]:
    """The runs under the names by which the store knows their data set and encoder, where paths were given."""
    return [
        replace(run, dataset=datasets.name_of(run.dataset), encoder=encoders.name_of(run.encoder)) for run in runs
    ]


def _check_machine(device: str, precision: str) -> None:
    """InputError for a device that is not there and for a precision that is none."""
    from cluster_tune import training

    training.precision(training.device(device), precision)


class _Machine:
    """An encoder on a device, for all data sets: its weights, in memory once they are needed."""

    def __init__(self, encoder: str, device: str, precision: str):
        self.encoder, self.names = encoders.resolve(encoder), (device, precision)
        self.fingerprint = encoders.fingerprint(self.encoder)

    def load(self) -> bool:
        """Have the weights in memory; whether they were not."""
        if hasattr(self, "model"):
            return False
        from cluster_tune import training

        device, precision = self.names
        self.device = training.device(device)
        self.bits = training.precision(self.device, precision)
        self.tokenizer = encoders.tokenizer(self.encoder)
        self.pieces = _how_it_cuts(self.tokenizer)  # now: a tokenizer keeps how it was used last
        model = training.suit(encoders.model(self.encoder).to(self.device))
        self.pretrained = training.copy_of(model.state_dict())
        self.model = model  # last: whatever fails before, for want of memory say, is done again
        return True

    def title(self) -> str:
        """The device as the records name it: the card's model, or 'cpu'."""
        import torch

        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type

    def in_words(self) -> str:
        """What computes: a graphics card that has failed, and so is not found, would otherwise show in the hours alone."""
        where = f"{self.title()} ({self.device})" if self.device.type == "cuda" else "the processor"
        return f"{self.encoder.name}: trained on {where}, in {self.bits}"


def _partition(file: Path) -> np.ndarray | None:
    """A stored partition; None where there is none, or it is not whole."""
    try:
        return np.load(file)
    except (OSError, ValueError, EOFError):  # the last of an empty file
        return None


def _how_it_cuts(tokenizer) -> str:
    """A digest of all that decides which word pieces a tokenizer makes: beside its vocabulary, what it does to capitals and
    accents, say, which stands in files that are no part of an encoder's fingerprint."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    how = backend.to_str() if backend else json.dumps([tokenizer.init_kwargs, tokenizer.get_vocab()], sort_keys=True, default=str)
    kind = f"{type(tokenizer).__name__} {tokenizer.model_max_length} {tokenizer.pad_token_id}"
    return hashlib.sha256(f"{kind} {how}".encode()).hexdigest()


def _word_pieces(file: Path, texts: int):
    """Stored word pieces of so many texts; None where there are none, or they are not whole."""
    from cluster_tune import training

    try:
        with np.load(file) as parts:
            found = training.Tokens(parts["ids"], parts["offsets"], int(parts["pad"]))
    except (OSError, ValueError, EOFError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return None
    return found if len(found) == texts and found.offsets[-1] == len(found.ids) else None


def _stored(arrays: dict) -> bytes:
    """Arrays as the content of an .npz file."""
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


class _Study:
    """One data set with one encoder: what its runs share, made when first needed."""

    def __init__(self, data: datasets.Dataset, machine: _Machine, changes: Changes = Changes()):
        self.data, self.machine, self.encoder, self.changes = data, machine, machine.encoder, changes
        self.partitions: dict[str, np.ndarray] = {}
        self.tokenised: dict[tuple[str, int], object] = {}
        self.identities: dict[Run, str] = {}
        self.recipes: dict[str, Recipe] = {}
        self.gold = {split: data.codes(split) for split in ("train", "test")}
        self.foreseen: set[str] = set()

    def check(self, run: Run, done: set[str]) -> None:
        """InputError for a run to be done that cannot be: its sample, more clusters than its texts make, or vectors for
        them that are not there."""
        if self.identity(run) in done:
            return
        sampling.check_budget(run.budget, len(self.data.classes))
        sampling.check_size(self.data.labelled, run.budget)
        if reference.needs_glove(run.clustering):
            glove.find()
        if run.clusters and run.clustering not in self.foreseen:
            reference.foresee(self.data.train["text"], run.clustering, self.changes.n_clusters)
            self.foreseen.add(run.clustering)

    def plan(self, runs: list[Run], done: set[str], keep_models: bool, report: Report) -> None:
        """Take on these runs: say how much of them is to be done, and describe the data."""
        self.runs, self.keep_models, self.report = runs, keep_models, report
        self.seen = {run for run in runs if self.identity(run) in done}
        missing = [run for run in runs if run not in self.seen]
        bare = [start for start in dict.fromkeys(map(self.start, runs)) if self._lacks("projection", start.keys)]
        stages = {stage for start in {*map(self.start, missing), *bare} for stage in self._stages(start)}
        self.needed = {stage for stage in stages if stage.setting != "base"}
        for stage in self.needed:
            claims.want(self._name(stage))
        self.counted = {stage: self._texts_before(stage) for stage in stages}
        texts = sum(map(self._texts, missing)) + sum(self.counted.values())
        wanted = {"wanted": len(runs), "missing": len(missing), "texts": texts}
        # To make them again would write their losses anew, which may be published.
        finished = {stage for run in self.seen for stage in self._stages(self.start(run)) if stage.setting != "base"}
        gone = sum(not self._has_weights(stage) for stage in finished - stages) if keep_models else 0
        notes = (*self.data.notes, *encoders.notes(self.encoder))
        again = [f"{start.setting} {start.keys['recipe']}" for start in bare
                 if start not in set(map(self.start, missing)) and start.setting != "base" and not self._has_weights(start)]
        self.report("plan", {"dataset": self.data.name, **wanted, "gone": gone, "notes": notes, "again": again})
        self.describe()

    def release(self) -> None:
        """Need no inter-trained weights any more."""
        for stage in getattr(self, "needed", ()):
            claims.unwant(self._name(stage))

    def _texts(self, run: Run) -> int:
        """How many texts the run reads, for the estimate of the time left: an update reads each of its texts about
        three times, forwards and back."""
        recipe = self._recipe(run.recipe)
        return UPDATE_COSTS * recipe.updates(run.budget) * recipe.batch_size + len(self.data.test)

    def _texts_before(self, stage: Start) -> int:
        """The same for one stage of inter-training; nothing where its weights are there."""
        if stage.setting == "base" or self._has_weights(stage):
            return 0
        epochs = stage.recipe.inter_epochs if stage.clustering else stage.recipe.mlm_epochs
        return UPDATE_COSTS * epochs * len(self.data.train)

    def start(self, run: Run) -> Start:
        return Start(run.setting, run.clustering, self._recipe(design.family(run.recipe)))

    def _recipe(self, name: str) -> Recipe:
        if name not in self.recipes:
            self.recipes[name] = recipe_for(name, self.encoder, self.changes)
        return self.recipes[name]

    def identity(self, run: Run) -> str:
        if run not in self.identities:
            known = self.data.fingerprint, self.machine.fingerprint, self.encoder.pooling, self.changes.n_clusters
            self.identities[run] = identity(run, self._recipe(run.recipe), *known, _vectors(run.clustering))
        return self.identities[run]

    # ---- what all runs share

    def tokens(self, split: str, max_length: int):
        """The word pieces of a split, cut at `max_length`: made once, by whichever process needs them first, and kept. Where
        nothing can be kept, each process makes its own."""
        if (split, max_length) not in self.tokenised:
            file, texts = self._tokens_file(split, max_length), getattr(self.data, split)["text"]
            found = _word_pieces(file, len(texts))
            self.tokenised[split, max_length] = self._cut(file, texts, max_length) if found is None else found
        return self.tokenised[split, max_length]

    def _cut(self, file: Path, texts: pd.Series, max_length: int):
        from cluster_tune import training

        with contextlib.ExitStack() as held:
            try:
                paths.writable(file.parent)
                held.enter_context(claims.waiting(file.stem))
            except CannotWrite:
                return training.tokenise(self.machine.tokenizer, texts, max_length)
            if (found := _word_pieces(file, len(texts))) is None:  # or else another process has made them meanwhile
                found = training.tokenise(self.machine.tokenizer, texts, max_length)
                with contextlib.suppress(CannotWrite):  # a full disk
                    results.write_atomically(file, _stored(asdict(found)))
            return found

    def _tokens_file(self, split: str, max_length: int) -> Path:
        what = {"split": split, "max_length": max_length, "data": self.data.fingerprint, "pieces": self.machine.pieces}
        what |= {package: importlib.metadata.version(package) for package in ("tokenizers", "transformers")}
        return paths.data() / "tokens" / f"{results.identity({**what, 'form': TOKENS})}.npz"

    def _tables_keys(self, keys: dict[str, str] | None) -> dict[str, str]:
        """The keys of a table of this data set, or of one of its starting points with one of so many epochs of masked words."""
        if keys is None:
            return {"dataset": self.data.name}
        masked = keys.get("setting", "").startswith("mlm")
        after = {"mlm_epochs": str(self._recipe(keys["recipe"]).mlm_epochs)} if masked else {}
        return {"dataset": self.data.name, "encoder": self.encoder.name, **keys, **after}

    def _lacks(self, kind: str, keys: dict[str, str] | None = None) -> bool:
        """Whether the store has no such table of these texts by these weights."""
        if self._aside(keys):
            return False
        try:
            stored = results.table(kind, **self._tables_keys(keys))
        except InputError:
            return True
        # A table that does not name its weights, as older ones do not, counts as made by these.
        weights = stored.get("encoder_fingerprint", self.machine.fingerprint) != self.machine.fingerprint
        return bool(np.any(weights) or "data_fingerprint" not in stored
                    or (stored["data_fingerprint"] != self.data.fingerprint).any())

    def _aside(self, keys: dict[str, str] | None) -> bool:
        return self.changes.aside and bool(keys and keys.get("clustering"))

    def _write(self, kind: str, frame: pd.DataFrame, keys: dict[str, str] | None = None) -> None:
        if self._aside(keys):
            return
        of = {"data_fingerprint": self.data.fingerprint}
        of |= {} if keys is None else {"encoder_fingerprint": self.machine.fingerprint}
        results.write_table(kind, self._tables_keys(keys), frame.assign(**of))

    # ---- the data set at a glance

    def describe(self) -> None:
        """Class counts of the splits, lengths, and a few examples, for the pages; no texts that may not be shown."""
        if not self._lacks("facts"):
            return
        splits = pd.concat([getattr(self.data, split).assign(split=split) for split in ("train", "dev", "test")])
        words = self.data.train["text"].str.split().str.len()
        drawn = self.data.train.iloc[: self.data.labelled].sample(frac=1, random_state=SEED).drop_duplicates("label").head(EXAMPLES)
        counts = splits[splits["label"] != ""].groupby(["split", "label"], sort=True).size().rename("count").reset_index()
        lengths = words.value_counts().sort_index().rename_axis("words").rename("count").reset_index()
        self._write("lengths", lengths)
        allowed = datasets.excerpts_allowed(self.data.name)
        begun = [shortened(text, EXCERPT) if allowed else WITHHELD.format(len(text.split())) for text in drawn["text"]]
        self._write("examples", drawn.assign(text=begun)[["label", "text"]])
        self._write("data", counts)
        self._write("facts", self._facts())

    def _facts(self) -> pd.DataFrame:
        """What the registry and the files say of the data set, as (fact, value) rows."""
        entry, sizes = datasets.REGISTRY.get(self.data.name), self.data.sizes()
        facts = {"title": self.data.title, "classes": str(len(self.data.classes))}
        facts |= {f"{part} texts": f"{size:,}" for part, size in sizes.items()}
        if self.data.labelled < sizes["train"]:
            facts["train texts"] += f", {self.data.labelled:,} of them with a label"
        if entry:
            kind = "topical" if entry.topical else "not topical"
            facts |= {"task": kind, "source": entry.source, "licence": entry.licence, "split": entry.split}
        facts |= {"note": " ".join([entry.note if entry else "", *self.data.notes]).strip()}
        facts["fingerprint"] = self.data.fingerprint
        return pd.DataFrame([(fact, value) for fact, value in facts.items() if value], columns=["fact", "value"])

    def clusters(self, clustering: str) -> np.ndarray:
        """The cluster of every training text, (n,): computed once, whoever needs it, and stored with its key terms and
        its agreement with the labels."""
        if clustering not in self.partitions:
            file = self._partition_file(clustering)
            with claims.waiting(file.stem):
                found = None if self._lacks("agreement", {"clustering": clustering}) else _partition(file)
                self.partitions[clustering] = self._cluster(clustering, file) if found is None else found
        return self.partitions[clustering]

    def _partition_file(self, clustering: str) -> Path:
        vectors = glove.find().name if reference.needs_glove(clustering) else ""
        what = {"clustering": clustering, "seed": SEED, "n_clusters": self.changes.n_clusters, "vectors": vectors}
        return paths.data() / "partitions" / f"{results.identity({**what, 'data': self.data.fingerprint})}.npy"

    def _cluster(self, clustering: str, file: Path) -> np.ndarray:
        self.report("stage", {"what": f"{clustering} clustering of {len(self.data.train):,} texts"})
        texts = reference.Texts(self.data)
        if self.changes.aside:
            labels = reference.labels(texts, clustering, SEED, self.changes.n_clusters)
        else:
            labels = reference.fit(texts, clustering, SEED).labels_
        content = io.BytesIO()
        np.save(content, labels.astype(np.int32), allow_pickle=False)
        results.write_atomically(file, content.getvalue())
        return labels.astype(np.int32)

    # ---- starting points

    def compute(self, start: Start, runs: list[Run]) -> bool:
        """Those of the runs from this start that are missing and in no other process's hands; whether all are done.
        InputError where they do not fit the GPU's memory."""
        try:
            return self._compute(start, runs)
        except RuntimeError as error:
            import torch

            if not isinstance(error, torch.OutOfMemoryError):
                raise
        # A batch that is too large is divided; this was the model itself, a copy of it or what the optimiser keeps.
        short = f"the GPU's memory is too small for {start.setting} {start.recipe.name} of '{self.encoder.name}'"
        raise InputError(f"{short}; free some of it, or ask for fewer --processes or for --device cpu")

    def _compute(self, start: Start, runs: list[Run]) -> bool:
        todo = [run for run in runs if not self._done(run)]
        if todo and not any(map(self._free, todo)):
            return False  # without taking the model into hand, which others are at work with
        if todo or self._lacks("projection", start.keys):
            with contextlib.ExitStack() as held:
                names = map(self._name, self._stages(start))
                if not all(held.enter_context(claims.claim(name)) for name in names):
                    return False  # another process inter-trains it
                todo = [run for run in todo if not self._done(run)]  # the last may be done by now, and the weights gone
                if todo or self._lacks("projection", start.keys):
                    self._begin(start)
            state = self._state() if todo else {}
            for together in self._side_by_side(todo):
                self._claimed_together(together)
            todo = [run for run in todo if run not in self.seen and not self._claimed(run, state)]
        if not todo:
            for stage in self._stages(start):  # where others did it
                if all(map(self._done, self._after(stage))):
                    self._spare(stage)
            self._forget(start)
        return not todo

    def _done(self, run: Run) -> bool:
        """Whether the run is in the store, where another process may have put it meanwhile."""
        if run not in self.seen and results.has(self.identity(run)):
            self.seen.add(run)
            self.report("elsewhere", {"texts": self._texts(run)})
        return run in self.seen

    def _free(self, run: Run) -> bool:
        """Whether no other process has the run in hand at this moment."""
        with claims.claim(self.identity(run)) as mine:
            return mine

    def _side_by_side(self, runs: list[Run]) -> list[list[Run]]:
        """The groups of runs that are fine-tuned as one: on a GPU the repetitions of a budget, elsewhere none."""
        from cluster_tune import stacked

        if not (runs and stacked.fits(self.machine.model)):
            return []
        groups: dict[tuple, list[Run]] = {}
        for run in dict.fromkeys(runs):
            groups.setdefault((run.recipe, run.budget), []).append(run)
        return list(groups.values())

    def _claimed_together(self, runs: list[Run]) -> None:
        """Do those of the runs that are still to be done and no other process does, all at once and from the weights that are
        loaded, which stay as they are; none where they do not fit the GPU's memory together."""
        import torch

        with contextlib.ExitStack() as held:
            mine = [run for run in runs if held.enter_context(claims.claim(self.identity(run))) and not self._done(run)]
            if mine:
                with contextlib.suppress(torch.OutOfMemoryError):
                    for run, record in zip(mine, self._run_together(mine, self._recipe(mine[0].recipe)), strict=True):
                        results.write(record)
                        self.seen.add(run)
                        self.report("run", record)
        if self.machine.device.type == "cuda":
            free, there = torch.cuda.mem_get_info(self.machine.device)
            if free < there / 5:  # other processes may share the card
                torch.cuda.empty_cache()

    def _claimed(self, run: Run, state: dict) -> bool:
        """The run, if it is still to be done and no other process does it; whether it is done."""
        with claims.claim(self.identity(run)) as mine:
            if not mine or self._done(run):
                return mine
            self.machine.model.load_state_dict(state)
            record = self._run(run, self._recipe(run.recipe))
            results.write(record)
            self.seen.add(run)
            self.report("run", record)
            return True

    def _state(self) -> dict:
        from cluster_tune import training

        return training.copy_of(self.machine.model.state_dict())

    def _begin(self, start: Start) -> None:
        """Bring the model to the starting point: the pretrained weights, inter-trained where the setting asks so; and
        look at its embeddings if nobody has."""
        if self.machine.load():
            self.report("said", {"what": self.machine.in_words()})
        self.machine.model.load_state_dict(self.machine.pretrained)
        if start.setting != "base":
            self._inter_trained(start)
            for stage in self._stages(start) if self.keep_models else ():
                self._kept(stage).touch()
        if self._lacks("projection", start.keys):
            self._project(start)

    @staticmethod
    def _stages(start: Start) -> list[Start]:
        """The starting points on the way to this one, itself last: masked words come before the clusters."""
        return [replace(start, setting="mlm", clustering=""), start] if start.setting == "mlm+clust" else [start]

    def _after(self, stage: Start) -> list[Run]:
        """The runs that begin from this stage, or have it on their way."""
        return [run for run in self.runs if stage in self._stages(self.start(run))]

    def _inter_trained(self, start: Start) -> None:
        """Load the weights of this start if they are kept; else inter-train the model that is loaded, and keep them."""
        file = paths.models() / f"{self._name(start)}.{self.machine.bits}.safetensors"
        if file.is_file() and self._loaded(file, start):
            self._spare(start)
            return
        if others := sorted({path.name.split(".")[1] for path in self._saved(start)
                             if not path.name.endswith(".keep")} - {self.machine.bits}):
            what = f"{self.data.name} {start.setting}: what is there in {' and '.join(others)} is of no use to {self.machine.bits}"
            self.report("said", {"what": f"{what}; stop, and give --precision {others[0]}, to go on from it"})
        for rest in file.parent.glob(f".{file.stem}.*"):  # of a process that was stopped as it wrote
            rest.unlink(missing_ok=True)
        if start.clustering:
            self.clusters(start.clustering)  # first: what is wrong with them would otherwise show after hours
        for before in self._stages(start)[:-1]:
            self._inter_trained(before)
        checkpoint = file.with_suffix(".part")
        if start.clustering:
            losses, how = self._on_clusters(start), {"learning_rate": start.recipe.inter_learning_rate}
        else:
            losses = self._on_words(start.recipe, checkpoint)
            how = {"learning_rate": start.recipe.mlm_learning_rate, "head": self._word_head()}
        self._write_weights(file, {"losses": json.dumps(losses.tolist()), "how": json.dumps(how)})
        self._write_losses(start, losses, how)
        self.counted.pop(start, None)
        checkpoint.unlink(missing_ok=True)

    def _loaded(self, file: Path, start: Start) -> bool:
        """Whether the kept weights of this start are in the model now, and their losses in the store. Not where the file is
        damaged, or as old as to be without losses that the store lacks: it is made anew."""
        from safetensors import SafetensorError, safe_open
        from safetensors.torch import load_file

        try:
            with safe_open(file, "pt") as kept:
                learned = kept.metadata() or {}
            lacking = self._lacks("losses", start.keys)
            if lacking and not learned.keys() >= {"losses", "how"}:
                return False
            told = (np.array(json.loads(learned["losses"])), json.loads(learned["how"])) if lacking else ()
            weights = load_file(file)
        except (SafetensorError, OSError, ValueError):
            self.report("said", {"what": f"'{file}' is damaged, and made anew"})
            return False
        self.machine.model.load_state_dict(weights)
        if told:
            self._write_losses(start, *told)
        return True

    def _write_losses(self, start: Start, losses: np.ndarray, how: dict) -> None:
        frame = pd.DataFrame({"update": np.arange(1, len(losses) + 1), "loss": losses})
        self._write("losses", frame.assign(**how), start.keys)

    def _spare(self, start: Start) -> None:
        """Take what the plan counted for this start off the time left."""
        if texts := self.counted.pop(start, 0):
            self.report("spared", {"texts": texts})

    def _kept(self, start: Start) -> Path:
        """An empty file that says that this start's weights are to stay, whoever comes later."""
        return paths.models() / f"{self._name(start)}.keep"

    def _word_head(self) -> str:
        """Whose head predicts masked words: the encoder's own, or a new one."""
        return "own" if encoders.word_head(self.encoder) else "new"

    def _write_weights(self, file: Path, metadata: dict[str, str]) -> None:
        from safetensors.torch import save

        results.write_atomically(file, save({name: value.contiguous() for name, value in self._state().items()}, metadata))

    def _name(self, start: Start) -> str:
        """Sixteen hexadecimal digits for all that decides this start's weights. What its stage does not use is as the
        recipe has it, whatever a grid changes: masked words are the same before any clusters."""
        usual, unused = asdict(recipe_for(start.recipe.name, self.encoder)), _unused(start.setting)
        how = {key: usual[key] if key.startswith(unused) else value for key, value in asdict(start.recipe).items()}
        what = {"start": {**start.keys, **how}, "data": self.data.fingerprint}
        what |= {"weights": self.machine.fingerprint, "pooling": self.encoder.pooling, "vectors": _vectors(start.clustering)}
        clusters = self.changes.n_clusters if start.clustering else design.N_CLUSTERS
        return results.identity({**what, "n_clusters": clusters})

    def _saved(self, start: Start) -> list[Path]:
        """The files that are kept of this start: weights, and how far training on masked words has come; for each
        precision of their own, and not of use under another."""
        return list(paths.models().glob(f"{self._name(start)}.*"))

    def _has_weights(self, start: Start) -> bool:
        return any(file.suffix == ".safetensors" for file in self._saved(start))

    def _forget(self, start: Start) -> None:
        """Delete inter-trained weights once all that was to be learned from them is in the store and no other process needs
        them; but not what training on masked words has stored on its way, which may be of a grid of others that was stopped
        and will go on."""
        for stage in () if self.keep_models else self._stages(start):
            if self._kept(stage).exists() or not self._has_weights(stage):
                continue  # without a claim: the store may be one that cannot be written to
            after = self._after(stage)
            mapped = not any(self._lacks("projection", keys) for keys in (self.start(run).keys for run in after))
            if mapped and all(map(self._done, after)):
                claims.unwant(name := self._name(stage))
                with claims.unwanted(name) as alone, claims.claim(name) if alone else contextlib.nullcontext(False) as mine:
                    for file in self._saved(stage) if mine and self._has_weights(stage) else ():
                        file.unlink(missing_ok=True)

    def _on_words(self, recipe: Recipe, checkpoint: Path) -> np.ndarray:
        """Inter-train the model that is loaded on masked words; the loss of each update."""
        from cluster_tune import intertraining

        tokenizer, model = self.machine.tokenizer, self.machine.model
        lacking = "has no mask token" if tokenizer.mask_token_id is None else ""
        if model.get_input_embeddings().embedding_dim != model.config.hidden_size:  # ALBERT, some sizes of ELECTRA
            lacking = "has word embeddings narrower than its layers, by which words cannot be predicted here"
        if lacking:
            raise InputError(f"encoder '{self.encoder.name}' {lacking}; leave out the settings mlm and mlm+clust")
        return intertraining.on_masked_words(
            model,
            self.tokens("train", recipe.max_length),
            {"mask": tokenizer.mask_token_id, "cls": tokenizer.cls_token_id, "sep": tokenizer.sep_token_id},
            learning_rate=recipe.mlm_learning_rate,
            batch_size=recipe.inter_batch_size,
            epochs=recipe.mlm_epochs,
            duplicates=recipe.mlm_duplicates,
            head=encoders.word_head(self.encoder),
            checkpoint=checkpoint,
            seed=SEED,
            bits=self.machine.bits,
            progress=self._updates(f"inter-training on masked words, {recipe.mlm_epochs} epochs", recipe.inter_batch_size),
        )

    def _on_clusters(self, start: Start) -> np.ndarray:
        """Inter-train the model that is loaded on the clusters; the loss of each update."""
        from cluster_tune import intertraining

        recipe, what = start.recipe, f"inter-training, {start.setting}, {start.recipe.name}"
        return intertraining.on_clusters(
            self.machine.model,
            self.encoder.pooling,
            self.tokens("train", recipe.max_length),
            self.clusters(start.clustering),
            learning_rate=recipe.inter_learning_rate,
            batch_size=recipe.inter_batch_size,
            epochs=recipe.inter_epochs,
            seed=SEED,
            bits=self.machine.bits,
            progress=self._updates(what, recipe.inter_batch_size),
        )

    def _project(self, start: Start) -> None:
        """t-SNE coordinates and distances of embeddings at this starting point (section 5.3, Figure 3)."""
        from sklearn.manifold import TSNE

        from cluster_tune import training

        self.report("stage", {"what": f"embeddings, {start.setting} {start.keys['recipe']}"})
        rows = sampling.drawn(self.data.labelled, PROJECTED)
        tokens = self.tokens("train", start.recipe.max_length)
        vectors = training.embed(self.machine.model, self.encoder.pooling, tokens.take(rows), bits=self.machine.bits)
        perplexity = min(30, (len(rows) - 1) / 3)
        flat = TSNE(perplexity=perplexity, init="pca", random_state=SEED).fit_transform(vectors)
        gold = self.gold["train"][rows]
        found = stats.dispersion(vectors, gold, seed=SEED)
        self._write("distances", pd.DataFrame([{"texts": len(rows), **asdict(found)}]), start.keys)
        labels = [self.data.classes[code] for code in gold]
        points = pd.DataFrame({"row": rows, "label": labels, "x": flat[:, 0].round(2), "y": flat[:, 1].round(2)})
        self._write("projection", points, start.keys)

    # ---- runs

    def _updates(self, what: str, batch_size: int):
        texts, last = UPDATE_COSTS * batch_size, 0

        def progress(update: int, updates: int, loss: float) -> None:
            nonlocal last
            if update > last + 1:  # an earlier process had come so far
                self.report("spared", {"texts": (update - 1) * texts})
            last = update
            self.report("update", {"what": what, "update": update, "updates": updates, "loss": loss, "texts": texts})

        return progress

    def _run(self, run: Run, recipe: Recipe) -> dict:
        """Fine-tune from the weights that are loaded, score on the test set; the record."""
        from cluster_tune import finetuning, training

        sample = self._sample(run)
        what = f"{run.setting}, {run.recipe}, {run.budget} labels, repetition {run.repetition}"
        began = time.monotonic()
        model = finetuning.fine_tune(
            self.machine.model,
            self.encoder.pooling,
            self.tokens("train", recipe.max_length).take(sample),
            self.gold["train"][sample],
            len(self.data.classes),
            recipe,
            seed=run.repetition,
            bits=self.machine.bits,
            progress=self._updates(what, recipe.batch_size),
        )
        trained = time.monotonic()
        test = self.tokens("test", recipe.max_length)
        predicted = training.predict(model, test, bits=self.machine.bits).argmax(1)
        return self._record(run, recipe, sample, predicted, (began, trained, time.monotonic()))

    def _run_together(self, runs: list[Run], recipe: Recipe) -> list[dict]:
        """The same for runs that differ in their repetition alone, side by side; each has its share of the seconds."""
        from cluster_tune import finetuning, stacked

        samples = [self._sample(run) for run in runs]
        what = f"{runs[0].setting}, {runs[0].recipe}, {runs[0].budget} labels, {len(runs)} repetitions"
        train, test = (self.tokens(split, recipe.max_length) for split in ("train", "test"))
        began = time.monotonic()
        models = finetuning.fine_tune_together(
            self.machine.model,
            self.encoder.pooling,
            [train.take(sample) for sample in samples],
            [self.gold["train"][sample] for sample in samples],
            len(self.data.classes),
            recipe,
            seeds=[run.repetition for run in runs],
            bits=self.machine.bits,
            progress=self._updates(what, recipe.batch_size * len(runs)),
        )
        trained = time.monotonic()
        predicted = stacked.predict(models, test, bits=self.machine.bits).argmax(2)
        share = [began + (moment - began) / len(runs) for moment in (began, trained, time.monotonic())]
        return [self._record(*of, share) for of in zip(runs, [recipe] * len(runs), samples, predicted, strict=True)]

    def _sample(self, run: Run) -> np.ndarray:
        return sampling.labelled_sample(self.data.labelled, run.budget, run.repetition)

    def _record(self, run: Run, recipe: Recipe, sample: np.ndarray, predicted: np.ndarray, moments: Sequence[float]) -> dict:
        """The record of a run that has predicted a class for every test text; `moments`: when it began, was trained, ended."""
        gold, classes, (began, trained, ended) = self.gold, len(self.data.classes), moments
        return {
            "run_id": self.identity(run),
            **{key: getattr(run, key) for key in results.KEYS},
            **stats.score(gold["test"], predicted, classes),
            "updates": recipe.updates(run.budget),
            "missing_classes": classes - len(np.unique(gold["train"][sample])),
            "train_texts": len(gold["train"]),
            "test_texts": len(gold["test"]),
            "classes": classes,
            "seconds": round(ended - began, 2),
            "seconds_training": round(trained - began, 2),
            **{key: value for key, value in asdict(recipe).items() if key != "name"},
            **({} if run.masks else dict.fromkeys(results.MLM, 0)),
            "n_clusters": self.changes.n_clusters if run.clusters else 0,
            "sample_fingerprint": sampling.fingerprint(sample, self.data.fingerprint),
            "data_fingerprint": self.data.fingerprint,
            "encoder_fingerprint": self.machine.fingerprint,
            **self._environment(),
        }

    def _environment(self) -> dict[str, str]:
        versions = {package: importlib.metadata.version(package) for package in ("torch", "transformers")}
        return {
            "device": self.machine.title(),
            "precision": self.machine.bits,
            "cluster_tune": __version__,
            **versions,
            "python": platform.python_version(),
        }

