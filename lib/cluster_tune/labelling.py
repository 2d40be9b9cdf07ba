"""Labels for a file of one's own from the few that it has, and the model that gave them: the method put to use.

Each setting asked for is judged by cross-validation over the labelled texts; the one that did best learns from all of
them and labels the rest. Checks and inter-trained weights are kept until that is done, so that work that was stopped
goes on. Left out: scores on texts set aside, which are `experiment`'s, and other methods, which are `few_labels`'.
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from cluster_tune import __version__, datasets, design, encoders, paths, reference, results, stats
from cluster_tune.errors import CannotWrite, InputError, unknown
from cluster_tune.progress import Report, silent

LEAST = 10  # labelled texts; a check of fewer would say nothing
FOLDS = 5
TABLE, CHECKS, MODEL, HEAD, ABOUT = "labels.csv", "checks.csv", "model", "head.safetensors", encoders.LEARNED
CHECKED = ["key", "setting", "folds", "fold", "texts", "accuracy", "macro_f1"]
TITLES = {"base": "plain", "clust": "inter-trained"}


@dataclass(frozen=True)
class Texts:
    """A file's texts, its rows in order. `given` (n,) are their labels, '' for none; `codes` int64 (n,) count `classes`, and
    are -1 for a text without a label; `filled` bool (n,), false for a text that is empty and gets no label."""

    name: str
    texts: pd.Series
    given: np.ndarray
    classes: tuple[str, ...]
    codes: np.ndarray
    filled: np.ndarray

    @property
    def labelled(self) -> np.ndarray:
        """Rows of the texts with a label, in order."""
        return np.flatnonzero((self.codes >= 0) & self.filled)

    def folds(self, number: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Places among `labelled` to learn from and to try on, a pair a fold; copies of a text are in the same fold."""
        from sklearn.model_selection import GroupKFold, KFold

        copies = pd.factorize(self.texts.iloc[self.labelled])[0]
        if (different := copies.max() + 1) < number:
            raise InputError(f"{number} folds are more than the {different} different labelled texts; give fewer")
        if not number:
            return []
        if different == len(copies):
            return list(KFold(number, shuffle=True, random_state=seed).split(copies))
        return list(GroupKFold(number).split(copies, groups=copies))  # unshuffled: its folds are then of like size


@dataclass(frozen=True)
class Labelled:
    """What came of a file: `table`, a row a text as in labels.csv; `checks`, a row a setting and fold (none for a model of
    before); the setting that gave the labels, the folder that all is in, the accuracy of always naming the commonest
    class, and where the labels are now that were there `before`."""

    table: pd.DataFrame
    checks: pd.DataFrame
    setting: str
    folder: Path
    commonest: float
    before: Path | None = None


def read(path: str, text_column: str = "text", label_column: str | None = "label", learn: bool = True) -> Texts:
    """The texts of a file, of any kind that `datasets.read` takes, with the labels that it has. With no label column named,
    a column `label` is used and may be missing. InputError for what cannot be read, and, to `learn` from, for too few
    labels."""
    frame = datasets.read(path, text_column, label_column)
    labels = frame["label"] if "label" in frame else pd.Series("", index=frame.index)
    filled = frame["text"].str.contains(r"\S", regex=True).to_numpy(bool)
    classes = tuple(sorted(set(labels[filled]) - {""}))
    codes = labels.map({name: code for code, name in enumerate(classes)}).fillna(-1).to_numpy(np.int64)
    found = Texts(datasets.stem(path), frame["text"], labels.to_numpy(object), classes, codes, filled)
    if learn:
        _enough(found, Path(path).name)
    return found


def _enough(found: Texts, name: str) -> None:
    rows = len(found.labelled)
    if rows < LEAST:
        raise InputError(f"{rows} texts of '{name}' have a label; label at least {LEAST}, some of each class")
    if len(found.classes) < 2:
        raise InputError(f"all labels of '{name}' are '{found.classes[0]}'; label some texts of at least one more class")
    counts = np.bincount(found.codes[found.labelled])
    if (counts < 2).any():
        single = found.classes[int(counts.argmin())]
        raise InputError(f"class '{single}' of '{name}' has a single text; label another one of it, or leave that label out")


def learn(
    path: str,
    out: str | None = None,
    *,
    encoder: str = "minilm",
    settings: Sequence[str] = design.MAIN,
    recipe: str = "trained",
    n_clusters: int = design.N_CLUSTERS,
    folds: int = FOLDS,
    seed: int = 0,
    text_column: str = "text",
    label_column: str = "label",
    device: str = "auto",
    precision: str = "auto",
    report: Report = silent,
) -> Labelled:
    """Learn from the labelled texts of a file, label the others, and keep the model.

    Writes into `out` (`FILE-labels` where none is given): `labels.csv`, a row a text in the file's order; `checks.csv`, a
    row a setting and fold; and `model/`, which `apply` takes, and `encoders.resolve`. A `labels.csv` or `checks.csv` of
    something else is kept under another name, a model of this command is replaced. Of two settings, 'base' and 'clust',
    the one of higher mean accuracy over the folds is used, and on a tie the plain one. With `folds` 0 nothing is checked.
    `report` hears what `progress.Progress` does. InputError for what cannot be done.
    """
    settings = _checked(settings, design.whole("folds", folds, 0))
    source = read(path, text_column, label_column)
    n_clusters, seed = design.whole("clusters", n_clusters, 2), design.whole("seed", seed, 0, 2**32 - 1)
    source.folds(folds, seed)  # before hours of work: there may be too few texts
    if "clust" in settings:  # before hours of work, and before anything is written
        reference.foresee(source.texts, "sib", n_clusters)
    folder = Path(out or f"{source.name}-labels")
    paths.spare(path, folder, (TABLE, CHECKS))
    if (folder / MODEL).exists() and not (folder / MODEL / ABOUT).is_file():
        raise InputError(f"'{folder / MODEL}' is there, and no model of this command; move it, or choose another --out")
    work = _Work(source, folder, encoders.resolve(encoder), recipe, n_clusters, seed, device, precision, report)
    paths.writable(folder)
    work.make_room()
    work.plan(settings, folds)
    checks = pd.concat([work.checked(setting, folds) for setting in settings]) if folds else pd.DataFrame(columns=CHECKED)
    best = _best(checks) if folds else settings[0]
    table = _rows(source, work.whole(best), source.classes)
    before = results.write_beside(folder / TABLE, results.content(table))
    work.forget()
    return Labelled(table, checks.reset_index(drop=True), best, folder, baseline(source), before)


def apply(
    path: str,
    model: str,
    out: str | None = None,
    *,
    text_column: str = "text",
    label_column: str | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> Labelled:
    """Label the texts of a file with a model that `learn` kept; labels that the file has are left as they are.

    Writes `labels.csv` as `learn` does. With no label column named, a column `label` is used and may be missing.
    InputError for a folder that holds no such model.
    """
    about = _about(Path(model))
    source = read(path, text_column, label_column, learn=False)
    folder = paths.writable(Path(out or f"{source.name}-labels"))
    paths.spare(path, folder, [TABLE])
    from cluster_tune import training

    where = training.device(device)
    bits, known = training.precision(where, precision), encoders.resolve(str(Path(model).resolve()))
    classifier = _put_together(training.suit(encoders.model(known).to(where)), known.pooling, about, Path(model))
    tokens = training.tokenise(encoders.tokenizer(known), source.texts, about["max_length"])
    table = _rows(source, training.predict(classifier, tokens, bits), tuple(about["classes"]))
    before = results.write_beside(folder / TABLE, results.content(table))
    return Labelled(table, pd.DataFrame(columns=CHECKED), about["setting"], folder, float("nan"), before)


def baseline(source: Texts) -> float:
    """The share of the commonest class among the labelled texts: the accuracy of always naming it."""
    return float(np.bincount(source.codes[source.labelled]).max() / len(source.labelled))


def _checked(settings: Sequence[str], folds: int) -> list[str]:
    settings = design.several("settings", settings)
    for setting in settings:
        if setting not in design.MAIN:
            raise unknown("setting", setting, design.MAIN)
    if folds == 1 or (folds == 0 and len(settings) != 1):
        raise InputError(f"{folds} folds do not tell which setting is better; give at least 2, or 0 with one setting")
    return settings


def _best(checks: pd.DataFrame) -> str:
    """The setting of highest mean accuracy; the first of them on a tie, which is the one that costs less."""
    means = checks.groupby("setting")["accuracy"].mean().reindex([name for name in design.MAIN if name in set(checks["setting"])])
    return str(means.idxmax())


def _rows(source: Texts, logits: np.ndarray, classes: tuple[str, ...]) -> pd.DataFrame:
    """A row a text: its label, whether that was given or predicted, the probability of a predicted one by softmax, the text.
    What is empty is given none."""
    given, found = source.given != "", np.array(classes, dtype=object)[logits.argmax(1)]
    labels = np.where(given, source.given, np.where(source.filled, found, ""))
    how = np.where(given, "given", np.where(source.filled, "predicted", "empty"))
    probability = np.where(how == "predicted", softmax(logits, axis=1).max(1).round(4), np.nan)
    rows = {"row": range(1, len(labels) + 1), "label": labels, "how": how, "probability": probability}
    return pd.DataFrame(rows | {"text": source.texts.to_numpy()})


class _Work:
    """One file's learning: the model and the texts in word pieces, made when they are needed first, and what is kept."""

    def __init__(self, source, folder, encoder, recipe, n_clusters, seed, device, precision, report):
        from cluster_tune import training

        self.source, self.folder, self.encoder, self.seed, self.report = source, folder, encoder, seed, report
        self.recipe = design.suited(recipe, encoder.rates)
        self.n_clusters = n_clusters
        self.device = training.device(device)
        self.bits = training.precision(self.device, precision)
        what = {"texts": source.texts.tolist(), "labels": source.codes.tolist(), "classes": source.classes}
        what |= {"encoder": encoders.fingerprint(encoder), "pooling": encoder.pooling, "copies": "in one fold"}
        self.key = results.identity(what | {"recipe": asdict(self.recipe), "n_clusters": n_clusters, "seed": seed})
        self.model = self.tokenizer = self.tokens = self.pretrained = None

    def plan(self, settings: Sequence[str], folds: int) -> None:
        """Say what is to be done: a fine-tuning a setting and fold, and the last one on all labelled texts."""
        wanted, known = len(settings) * folds + 1, self._known()
        there = len(known[known["setting"].isin(settings) & (known["folds"] == folds)])
        self.report("plan", {"dataset": self.source.name, "wanted": wanted, "missing": wanted - there})

    def checked(self, setting: str, folds: int) -> pd.DataFrame:
        """The scores of a setting, a row a fold: learnt from the others' texts, tried on its own."""
        rows, codes = self.source.labelled, self.source.codes
        for fold, (train, test) in enumerate(self.source.folds(folds, self.seed)):
            known = self._known()
            if ((known["setting"] == setting) & (known["folds"] == folds) & (known["fold"] == fold)).any():
                continue
            _, logits = self._fine_tuned(setting, rows[train], rows[test], f"check {fold + 1} of {folds}")
            score = stats.score(codes[rows[test]], logits.argmax(1), len(self.source.classes))
            row = {"key": self.key, "setting": setting, "folds": folds, "fold": fold, "texts": len(test), **score}
            checks = pd.concat([known, pd.DataFrame([row])], ignore_index=True)[CHECKED]
            results.write_atomically(self.folder / CHECKS, results.content(checks))
            self.report("done", {"what": f"{TITLES[setting]}, check {fold + 1} of {folds}: accuracy {score['accuracy']:.3f}",
                                 "count": 1})
        known = self._known()
        return known[(known["setting"] == setting) & (known["folds"] == folds)]

    def whole(self, setting: str) -> np.ndarray:
        """Learn from all labelled texts under a setting, and keep the model; the logits of all texts."""
        rows = self.source.labelled
        model, logits = self._fine_tuned(setting, rows, np.arange(len(self.source.texts)), "all labelled texts")
        about = {"classes": self.source.classes, "setting": setting, "max_length": self.recipe.max_length,
                 "encoder": self.encoder.name, "recipe": self.recipe.name, "labelled": len(rows), "cluster_tune": __version__}
        _keep(self.folder / MODEL, model, self.tokenizer, about)
        self.report("done", {"what": f"{TITLES[setting]}, learnt from all {len(rows):,} labelled texts", "count": 1})
        return logits

    def forget(self) -> None:
        """Delete what was kept for going on."""
        for file in self.folder.glob(".inter-trained.*"):
            file.unlink(missing_ok=True)

    def make_room(self) -> None:
        """Set a `checks.csv` aside that is of other texts, of another way to learn from them, or no table of checks; and say so."""
        if self._known().empty and (moved := results.set_aside(self.folder / CHECKS)):
            self.report("said", {"what": f"note: another '{CHECKS}' was there, which is '{moved}' now"})

    def _known(self) -> pd.DataFrame:
        """The checks of before on the same texts in the same way."""
        try:
            frame = pd.read_csv(self.folder / CHECKS, dtype={"key": str})
        except (OSError, ValueError):
            return pd.DataFrame(columns=CHECKED)
        same = list(frame) == CHECKED
        return frame[frame["key"] == self.key] if same else pd.DataFrame(columns=CHECKED)

    def _fine_tuned(self, setting: str, train: np.ndarray, test: np.ndarray, what: str):
        """A model that learnt from the rows `train`, and its logits of the rows `test`."""
        from cluster_tune import finetuning, training

        self._start(setting)
        model = finetuning.fine_tune(
            self.model, self.encoder.pooling, self.tokens.take(train), self.source.codes[train], len(self.source.classes),
            self.recipe, seed=self.seed, bits=self.bits, progress=self._updates(f"{TITLES[setting]}, {what}"))
        return model, training.predict(model, self.tokens.take(test), self.bits)

    def _start(self, setting: str) -> None:
        """Bring the model to where fine-tuning starts from: the pretrained weights, inter-trained for 'clust'."""
        from cluster_tune import training

        if self.model is None:
            self.model = training.suit(encoders.model(self.encoder).to(self.device))
            self.tokenizer = encoders.tokenizer(self.encoder)
            self.tokens = training.tokenise(self.tokenizer, self.source.texts, self.recipe.max_length)
            self.pretrained = training.copy_of(self.model.state_dict())
        self.model.load_state_dict(self.pretrained)
        if setting == "clust":
            self._inter_train()

    def _inter_train(self) -> None:
        """Inter-train the model on sIB's clusters (Path 3), or load the weights that this gave before. All texts are
        clustered, with a label or without; those that have no word to count are left out."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file, save

        from cluster_tune import intertraining, training

        file = self.folder / f".inter-trained.{self.key}.{self.bits}.safetensors"
        try:
            if file.is_file():
                self.model.load_state_dict(load_file(file))
                return
        except (SafetensorError, OSError, RuntimeError):
            file.unlink(missing_ok=True)  # of a disk that was full; it is made again
        self.report("stage", {"what": f"clustering {len(self.source.texts):,} texts"})
        found = reference.cluster(self.source.texts, None, self.n_clusters, self.seed).labels
        rows = np.flatnonzero(found >= 0)
        intertraining.on_clusters(
            self.model, self.encoder.pooling, self.tokens.take(rows), found[rows],
            learning_rate=self.recipe.inter_learning_rate, batch_size=self.recipe.inter_batch_size,
            epochs=self.recipe.inter_epochs, seed=self.seed, bits=self.bits, progress=self._updates("inter-training"))
        results.write_atomically(file, save({k: v.contiguous() for k, v in training.copy_of(self.model.state_dict()).items()}))

    def _updates(self, what: str) -> Callable[[int, int, float], None]:
        return lambda update, updates, loss: self.report(
            "update", {"what": what, "update": update, "updates": updates, "loss": loss})


# --- The model in its folder ----------------------------------------------------------------------------------------


def _keep(folder: Path, model, tokenizer, about: dict) -> None:
    """Write encoder, tokenizer, pooling, head and what is known of them, in place of what was there."""
    from safetensors.torch import save

    new = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        model.encoder.config.save_pretrained(new)
        tokenizer.save_pretrained(new)
        for part, file in ((model.encoder, "model.safetensors"), (model.head, HEAD)):
            tensors = {name: value.detach().cpu().contiguous() for name, value in part.state_dict().items()}
            (new / file).write_bytes(save(tensors))  # `save_file` would let nobody else read it
        (new / "1_Pooling").mkdir(exist_ok=True)
        pooling = {"pooling_mode_mean_tokens": model.pooling == "mean", "pooling_mode_cls_token": model.pooling != "mean"}
        (new / "1_Pooling" / "config.json").write_text(json.dumps(pooling, indent=1) + "\n", encoding="utf-8")
        (new / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(new, folder)
    except OSError as error:
        raise CannotWrite(f"cannot write the model to '{folder}': {error.strerror or error}; make room and run it again") from None
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _about(folder: Path) -> dict:
    """What `_keep` wrote of a model; InputError for a folder without it."""
    if not (folder / ABOUT).is_file() or not (folder / HEAD).is_file():
        raise InputError(f"'{folder}' holds no model of this command; give the folder {MODEL}/ that it wrote, or learn one")
    try:
        kept = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        about = {key: kept[key] for key in ("classes", "setting", "max_length")}
        design.whole("max_length", about["max_length"], 3)  # the two special word pieces, and one of a text
        names = isinstance(about["classes"], list) and all(isinstance(name, str) for name in about["classes"])
        sound = names and about["setting"] in TITLES
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise InputError(f"'{folder / ABOUT}' is damaged; learn the model again")
    return about


def _put_together(body, pooling: str, about: dict, folder: Path):
    """The classifier of a kept model."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from cluster_tune import training

    classifier = training.Classifier(body, pooling, len(about["classes"]), seed=0)
    try:
        classifier.head.load_state_dict(load_file(folder / HEAD))
    except (SafetensorError, OSError, RuntimeError):
        raise InputError(f"'{folder / HEAD}' is damaged, or of another model; learn the model again") from None
    return classifier.to(body.device)
