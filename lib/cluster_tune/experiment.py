"""From a list of runs to finished records: the only module that joins the stages.

`ensure(runs)` asks the store first and computes only what is missing: per data set and encoder, texts are tokenised
once; per starting point (a setting under a recipe) the model is inter-trained once, whatever the number of budgets and
repetitions fine-tuned from it. What the pages show beside accuracies (clusters, losses, projections) is computed on
the way and stored as tables.
"""

import importlib.metadata
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from itertools import groupby

import numpy as np
import pandas as pd

from cluster_tune import __version__, datasets, design, encoders, paths, reference, results, sampling, stats
from cluster_tune.design import Recipe, Run
from cluster_tune.errors import InputError

SEED = 0  # of the clustering and of inter-training: each is done once a data set (section 3.2)
EXAMPLES = 6  # texts shown on a page
PROJECTED = 2000  # texts in a t-SNE figure and in the distances of section 5.3

Report = Callable[[str, dict], None]


def _silent(event: str, facts: dict) -> None:
    """The default report: says nothing."""


@dataclass(frozen=True)
class Start:
    """A starting point of fine-tuning: a setting under a recipe, with its clustering if it has one."""

    setting: str
    clustering: str
    recipe: Recipe

    @property
    def keys(self) -> dict[str, str]:
        """Its columns in the tables. A plain start is the same under every recipe."""
        recipe = "" if self.setting == "base" else self.recipe.name
        return {"setting": self.setting, "clustering": self.clustering, "recipe": recipe}


def recipe_for(name: str, encoder: encoders.Encoder) -> Recipe:
    """The recipe of that name at the rates the encoder brings for it."""
    return design.recipe(name, **encoder.rates.get(name, {}))


def identity(run: Run, recipe: Recipe, data_fingerprint: str, encoder_fingerprint: str, pooling: str) -> str:
    """The run's identity in the store: its keys and all that decides its outcome, and nothing that does not."""
    how = {key: value for key, value in asdict(recipe).items() if run.setting != "base" or not key.startswith("inter_")}
    return results.identity(
        {
            **{key: getattr(run, key) for key in results.KEYS},
            "how": how,
            "data": data_fingerprint,
            "weights": encoder_fingerprint,
            "pooling": pooling,
            "n_clusters": design.N_CLUSTERS if run.clusters else 0,
        }
    )


def ensure(
    runs: Iterable[Run],
    *,
    text_column: str = "text",
    label_column: str = "label",
    device: str = "auto",
    precision: str = "auto",
    report: Report = _silent,
) -> None:
    """Compute every run of `runs` that the store does not have, and the tables of its data set.

    Stopping at any moment loses at most the run in flight; calling again goes on from there. `report(event, facts)`
    hears of the plan, of updates and of finished runs.
    """
    for (dataset, encoder), group in groupby(runs, key=lambda run: (run.dataset, run.encoder)):
        data = datasets.load(dataset, text_column=text_column, label_column=label_column)
        _Study(data, encoders.resolve(encoder), report, device, precision).ensure(named(group))


def named(runs: Iterable[Run]) -> list[Run]:
    """The runs under the names by which the store knows their data set and encoder, where paths were given."""
    return [
        replace(run, dataset=datasets.name_of(run.dataset), encoder=encoders.name_of(run.encoder)) for run in runs
    ]


class _Study:
    """One data set with one encoder: what its runs share, made when first needed."""

    def __init__(self, data: datasets.Dataset, encoder: encoders.Encoder, report: Report, device: str, precision: str):
        self.data, self.encoder, self.report = data, encoder, report
        self.device_name, self.precision_name = device, precision
        self.encoder_fingerprint = encoders.fingerprint(encoder)
        self.partitions: dict[str, np.ndarray] = {}
        self.gold = {split: self._codes(getattr(data, split)) for split in ("train", "test")}

    def _codes(self, frame: pd.DataFrame) -> np.ndarray:
        return pd.Categorical(frame["label"], categories=self.data.classes).codes.astype(np.int64)

    def ensure(self, runs: list[Run]) -> None:
        """The runs that are missing, start by start, and the tables."""
        for run in runs:
            sampling.check_budget(run.budget, len(self.data.classes))
            sampling.labelled_sample(len(self.data.train), run.budget, run.repetition)
        done = results.finished()
        missing = [run for run in runs if self.identity(run) not in done]
        self.report("plan", {"dataset": self.data.name, "wanted": len(runs), "missing": len(missing)})
        self.describe()
        for start in dict.fromkeys(self.start(run) for run in runs):
            of_start = [run for run in missing if self.start(run) == start]
            if of_start or self._lacks("projection", start.keys):
                self._from_start(start, of_start)

    def start(self, run: Run) -> Start:
        return Start(run.setting, run.clustering, recipe_for(run.recipe, self.encoder))

    def identity(self, run: Run) -> str:
        recipe = recipe_for(run.recipe, self.encoder)
        return identity(run, recipe, self.data.fingerprint, self.encoder_fingerprint, self.encoder.pooling)

    # ---- what all runs share

    def _prepare(self) -> None:
        """Load the weights and tokenise the texts, once."""
        if hasattr(self, "model"):
            return
        from cluster_tune import training

        self.device = training.device(self.device_name)
        self.bits = training.precision(self.device, self.precision_name)
        self.tokenizer, self.tokenised = encoders.tokenizer(self.encoder), {}
        self.model = encoders.model(self.encoder).to(self.device)
        if self.device.type == "cpu":  # with dropout in it, attention spelled out is a fifth quicker there
            self.model.set_attn_implementation("eager")
        self.pretrained = training.copy_of(self.model.state_dict())

    def tokens(self, split: str, max_length: int):
        """The word pieces of a split, cut at `max_length`."""
        from cluster_tune import training

        if (split, max_length) not in self.tokenised:
            texts = getattr(self.data, split)["text"]
            self.tokenised[split, max_length] = training.tokenise(self.tokenizer, texts, max_length)
        return self.tokenised[split, max_length]

    def _tables_keys(self, keys: dict[str, str]) -> dict[str, str]:
        return {"dataset": self.data.name, "encoder": self.encoder.name, **keys}

    def _lacks(self, kind: str, keys: dict[str, str] | None = None) -> bool:
        wanted = {"dataset": self.data.name} if keys is None else self._tables_keys(keys)
        try:
            return (results.table(kind, **wanted)["data_fingerprint"] != self.data.fingerprint).any()
        except InputError:
            return True

    def _write(self, kind: str, frame: pd.DataFrame, keys: dict[str, str] | None = None) -> None:
        wanted = {"dataset": self.data.name} if keys is None else self._tables_keys(keys)
        results.write_table(kind, wanted, frame.assign(data_fingerprint=self.data.fingerprint))

    # ---- the data set at a glance

    def describe(self) -> None:
        """Class counts of the splits, lengths, and a few examples, for the pages."""
        if not self._lacks("facts"):
            return
        splits = pd.concat([getattr(self.data, split).assign(split=split) for split in ("train", "dev", "test")])
        words = self.data.train["text"].str.split().str.len()
        drawn = self.data.train.sample(frac=1, random_state=SEED).drop_duplicates("label").head(EXAMPLES)
        counts = splits.groupby(["split", "label"], sort=True).size().rename("count").reset_index()
        lengths = words.value_counts().sort_index().rename_axis("words").rename("count").reset_index()
        self._write("lengths", lengths)
        self._write("examples", drawn.assign(text=[_shortened(text) for text in drawn["text"]])[["label", "text"]])
        self._write("data", counts)
        self._write("facts", self._facts())

    def _facts(self) -> pd.DataFrame:
        """What the registry and the files say of the data set, as (fact, value) rows."""
        entry, sizes = datasets.REGISTRY.get(self.data.name), self.data.sizes()
        facts = {"title": self.data.title, "classes": str(len(self.data.classes))}
        facts |= {f"{part} texts": f"{size:,}" for part, size in sizes.items()}
        if entry:
            kind = "topical" if entry.topical else "not topical"
            facts |= {"task": kind, "source": entry.source, "licence": entry.licence, "split": entry.split}
        facts |= {"note": " ".join([entry.note if entry else "", *self.data.notes]).strip()}
        facts["fingerprint"] = self.data.fingerprint
        return pd.DataFrame([(fact, value) for fact, value in facts.items() if value], columns=["fact", "value"])

    def clusters(self, clustering: str) -> np.ndarray:
        """The cluster of every training text, (n,); stored with its key terms and its agreement with the labels."""
        if clustering not in self.partitions:
            self.report("stage", {"what": f"{clustering} clustering of {len(self.data.train):,} texts"})
            self.partitions[clustering] = reference.fit(reference.Texts(self.data), clustering, SEED).labels_
        return self.partitions[clustering]

    # ---- starting points

    def _from_start(self, start: Start, runs: list[Run]) -> None:
        self._prepare()
        self._load(start)
        if self._lacks("projection", start.keys):
            self._project(start)
        state = self._state()
        for run in runs:
            self.model.load_state_dict(state)
            record = self._run(run, start.recipe)
            results.write(record)
            self.report("run", record)
        self._forget(start)

    def _state(self) -> dict:
        from cluster_tune import training

        return training.copy_of(self.model.state_dict())

    def _load(self, start: Start) -> None:
        """Bring the model to the starting point: the pretrained weights, inter-trained where the setting asks so."""
        self.model.load_state_dict(self.pretrained)
        if start.setting == "base":
            return
        saved = self._saved(start)
        if saved.is_file() and not self._lacks("losses", start.keys):
            from safetensors.torch import load_file

            self.model.load_state_dict(load_file(saved))
            return
        self._inter_train(start)

    def _saved(self, start: Start):
        what = {"start": {**start.keys, **asdict(start.recipe)}, "data": self.data.fingerprint}
        name = results.identity({**what, "weights": self.encoder_fingerprint, "n_clusters": design.N_CLUSTERS})
        return paths.models() / f"{name}.safetensors"

    def _inter_train(self, start: Start) -> None:
        from safetensors.torch import save

        from cluster_tune import intertraining

        if start.setting != "clust":
            raise InputError(f"setting '{start.setting}' cannot be run here yet; use base or clust")
        recipe, what = start.recipe, f"inter-training, {start.setting}, {start.recipe.name}"
        losses = intertraining.on_clusters(
            self.model,
            self.encoder.pooling,
            self.tokens("train", recipe.max_length),
            self.clusters(start.clustering),
            learning_rate=recipe.inter_learning_rate,
            batch_size=recipe.inter_batch_size,
            epochs=recipe.inter_epochs,
            seed=SEED,
            bits=self.bits,
            progress=self._updates(what),
        )
        results.write_atomically(self._saved(start), save({k: v.contiguous() for k, v in self.model.state_dict().items()}))
        frame = pd.DataFrame({"update": np.arange(1, len(losses) + 1), "loss": losses})
        self._write("losses", frame.assign(learning_rate=recipe.inter_learning_rate), start.keys)

    def _forget(self, start: Start) -> None:
        """Delete the inter-trained weights: all that was to be learned from them is in the store by now."""
        self._saved(start).unlink(missing_ok=True)

    def _project(self, start: Start) -> None:
        """t-SNE coordinates and distances of embeddings at this starting point (section 5.3, Figure 3)."""
        from sklearn.manifold import TSNE

        from cluster_tune import training

        self.report("stage", {"what": f"embeddings, {start.setting} {start.keys['recipe']}"})
        rows = np.sort(np.random.default_rng(SEED).permutation(len(self.data.train))[:PROJECTED])
        tokens = self.tokens("train", start.recipe.max_length)
        vectors = training.embed(self.model, self.encoder.pooling, tokens.take(rows), bits=self.bits)
        perplexity = min(30, (len(rows) - 1) / 3)
        flat = TSNE(perplexity=perplexity, init="pca", random_state=SEED).fit_transform(vectors)
        gold = self.gold["train"][rows]
        found = stats.dispersion(vectors, gold, seed=SEED)
        self._write("distances", pd.DataFrame([{"texts": len(rows), **asdict(found)}]), start.keys)
        labels = [self.data.classes[code] for code in gold]
        points = pd.DataFrame({"row": rows, "label": labels, "x": flat[:, 0].round(2), "y": flat[:, 1].round(2)})
        self._write("projection", points, start.keys)

    # ---- runs

    def _updates(self, what: str):
        return lambda update, updates, loss: self.report(
            "update", {"what": what, "update": update, "updates": updates, "loss": loss}
        )

    def _run(self, run: Run, recipe: Recipe) -> dict:
        """Fine-tune from the weights that are loaded, score on the test set; the record."""
        from cluster_tune import finetuning, training

        gold, classes = self.gold, len(self.data.classes)
        sample = sampling.labelled_sample(len(gold["train"]), run.budget, run.repetition)
        began = time.monotonic()
        model = finetuning.fine_tune(
            self.model,
            self.encoder.pooling,
            self.tokens("train", recipe.max_length).take(sample),
            gold["train"][sample],
            classes,
            recipe,
            seed=run.repetition,
            bits=self.bits,
            progress=self._updates(f"{run.setting}, {run.recipe}, {run.budget} labels, repetition {run.repetition}"),
        )
        trained = time.monotonic()
        test = self.tokens("test", recipe.max_length)
        predicted = training.predict(model, test, bits=self.bits).argmax(1)
        return {
            "run_id": self.identity(run),
            **{key: getattr(run, key) for key in results.KEYS},
            **stats.score(gold["test"], predicted, classes),
            "updates": recipe.updates(run.budget),
            "missing_classes": classes - len(np.unique(gold["train"][sample])),
            "train_texts": len(gold["train"]),
            "test_texts": len(gold["test"]),
            "classes": classes,
            "seconds": round(time.monotonic() - began, 2),
            "seconds_training": round(trained - began, 2),
            **{key: value for key, value in asdict(recipe).items() if key != "name"},
            "n_clusters": design.N_CLUSTERS if run.clusters else 0,
            "sample_fingerprint": sampling.fingerprint(sample, self.data.fingerprint),
            "data_fingerprint": self.data.fingerprint,
            "encoder_fingerprint": self.encoder_fingerprint,
            **self._environment(),
        }

    def _environment(self) -> dict[str, str]:
        import torch

        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type
        versions = {package: importlib.metadata.version(package) for package in ("torch", "transformers")}
        return {
            "device": name,
            "precision": self.bits,
            "cluster_tune": __version__,
            **versions,
            "python": platform.python_version(),
        }


def _shortened(text: str, width: int = 240) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 1].rstrip() + "…"

