"""The store of results: one small JSON a finished run, and tidy tables gathered from them.

A record is written last and atomically, with every key inside it, so "exists" means "finished"; file names are never
parsed. `runs.csv` is what is committed and read by every page; `runs/` holds records not yet gathered. The tables
beside it (clusters, losses, ...) have one file a writer, and their keys as columns.
"""

import csv
import glob
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from itertools import count
from pathlib import Path

import pandas as pd

from cluster_tune import claims, paths
from cluster_tune.design import N_CLUSTERS, Run
from cluster_tune.errors import CannotWrite, InputError

# The columns of runs.csv: what was run, what came out, what it was run with, and on what.
KEYS = ["dataset", "encoder", "setting", "clustering", "recipe", "budget", "repetition"]
NUMBERS = {  # whole numbers, which a gap in an older record must not turn into fractions
    "budget", "repetition", "updates", "missing_classes", "classes", "train_texts", "test_texts", "n_clusters",
    "batch_size", "epochs", "min_updates", "max_length", "inter_batch_size", "inter_epochs", "mlm_epochs", "mlm_duplicates",
}  # fmt: skip
SHARES = ["accuracy", "macro_f1"]
TEXTS = ["dataset", "encoder", "label", "text", "terms", "value"]  # of tables; a class may be called 01, a data set 1e3
MAY_LACK = ["ed", "ned", "permuted", "p", "norm", "ned_macro", "ned_cosine"]  # of embeddings that are all alike, say
FINGERPRINTS = ["data_fingerprint", "sample_fingerprint", "encoder_fingerprint"]
MEASURES = ["seconds", "seconds_training", "learning_rate", "inter_learning_rate", "mlm_learning_rate"]
# Table -> the command that computes it, where that is not `run`, or `run` does so for one clustering and seed alone.
COMMANDS = {"few_labels": "few-labels"} | dict.fromkeys(
    ("reference", "agreement", "stability", "coverage", "partition", "clusters", "members"), "reference"
)
MLM = ["mlm_learning_rate", "mlm_epochs", "mlm_duplicates"]  # 0 where nothing was learned from masked words
COLUMNS = [
    "run_id", *KEYS, *SHARES, "updates", "missing_classes", "classes", "train_texts", "test_texts", *MEASURES[:2],
    "learning_rate", "batch_size", "epochs", "min_updates", "schedule", "max_length",
    "inter_learning_rate", "inter_batch_size", "inter_epochs", "n_clusters", "mlm_learning_rate", "mlm_epochs", "mlm_duplicates",
    "sample_fingerprint", "data_fingerprint", "encoder_fingerprint",
    "device", "precision", "cluster_tune", "torch", "transformers", "python",
]  # fmt: skip


def identity(run: Mapping) -> str:
    """16 hexadecimal digits that stand for everything that decides a run's outcome. Another recipe, data or weights
    make another run, so that a record made with other settings is never mixed in silently."""
    return hashlib.sha256(_canonical(run)).hexdigest()[:16]


def _canonical(record: Mapping) -> bytes:
    return json.dumps(record, sort_keys=True, ensure_ascii=False).encode()


def content(frame: pd.DataFrame, float_format: str | None = None) -> bytes:
    """The frame as CSV, without its index. A carriage return alone ends a line for those that read it, but is not quoted by
    what writes it: where there is one, all texts are quoted."""
    texts = (frame[name] for name in frame if pd.api.types.is_string_dtype(frame[name]) or frame[name].dtype == object)
    torn = any(column.astype(str).str.contains("\r", regex=False).any() for column in (*texts, pd.Series(frame.columns)))
    quoting = csv.QUOTE_NONNUMERIC if torn else csv.QUOTE_MINIMAL
    return frame.to_csv(index=False, lineterminator="\n", float_format=float_format, quoting=quoting).encode()


def write_atomically(path: Path, content: bytes) -> Path:
    """Write `content` whole or not at all, and make its folder; InputError if that fails."""
    paths.writable(path.parent)
    with paths.replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


def write_beside(path: Path, content: bytes) -> Path | None:
    """The same for what a user may have worked on since: a file there that says something else is set aside first. The new
    name, if so."""
    paths.writable(path.parent)
    try:
        moved = None if path.is_file() and path.read_bytes() == content else set_aside(path)
    except OSError as error:
        raise CannotWrite(f"cannot keep '{path}' under another name: {error.strerror}; move it, or choose another folder") from None
    write_atomically(path, content)
    return moved


def set_aside(path: Path) -> Path | None:
    """Rename a file, if it is there, `a.csv` to `a.1.csv` or the next number that is free; the new name."""
    if not path.is_file():
        return None
    moved = next(name for n in count(1) if not (name := path.with_suffix(f".{n}{path.suffix}")).exists())
    return path.replace(moved)


def write(record: Mapping) -> Path:
    """Store the record of a finished run under its `run_id`, with a digest that tells a later edit."""
    digest = hashlib.sha256(_canonical(record)).hexdigest()[:16]
    content = json.dumps({**record, "digest": digest}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return write_atomically(_loose() / f"{record['run_id']}.json", content.encode())


def read(path: Path) -> dict:
    """One record; InputError for a file that is not whole or was edited."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        digest = record.pop("digest")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise InputError(f"record '{path}' is not whole; delete it, and its run will be computed again") from None
    if digest != hashlib.sha256(_canonical(record)).hexdigest()[:16]:
        raise InputError(f"record '{path}' was changed by hand; delete it, and its run will be computed again")
    return record


def records() -> list[dict]:
    """Every record not yet gathered, in the order of their names."""
    older = dict.fromkeys(MLM, 0)  # records from before masked words do not have these
    return [older | record for path in sorted(_loose().glob("*.json")) if (record := _still(path))]


def _still(path: Path) -> dict | None:
    """A record; None if it has gone since its folder was listed, gathered by another process."""
    try:
        return read(path)
    except FileNotFoundError:
        return None


def _loose() -> Path:
    return paths.results() / "runs"


def has(run_id: str) -> bool:
    """Whether the run of that identity is finished. Looks at one file, where `finished` reads and checks them all."""
    return (_loose() / f"{run_id}.json").is_file() or run_id in _archived()


def _archived() -> frozenset[str]:
    try:
        status = (paths.results() / "runs.csv").stat()
    except FileNotFoundError:
        return frozenset()
    return _archived_in(paths.results(), status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _archived_in(folder: Path, inode: int, size: int, modified: int) -> frozenset[str]:
    """Read once as long as the file stays the same: every writing makes a new one."""
    return frozenset(_archive()["run_id"])


def _archive() -> pd.DataFrame:
    path = paths.results() / "runs.csv"
    return _gathered(path) if path.is_file() else pd.DataFrame(columns=COLUMNS, dtype=str)


def another(place: Path) -> Path:
    """The `runs.csv` of another store, given it or its folder; InputError if there is none."""
    try:
        path = place / "runs.csv" if place.is_dir() else place
        there = path.is_file()
    except (OSError, ValueError):  # a name that is too long, or none
        there, path = False, place
    if not there:
        raise InputError(f"there is no '{path}'; give the runs.csv that `cluster-tune gather` has written, or its folder")
    return path


def of_another(path: Path) -> pd.DataFrame:
    """The runs that another store has gathered in this file."""
    frame = _gathered(path, "gather it anew with `cluster-tune gather`, or get it again")
    if not frame["accuracy"].between(0, 1).all():
        raise InputError(f"'{path}' has accuracies that do not lie from 0 to 1; gather it anew, or get it again")
    return frame


def _gathered(path: Path, how: str = "restore it from the repository") -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, compression=None)
        frame = frame.assign(**{name: "0" for name in MLM if name not in frame})
        if (twice := frame["run_id"].duplicated()).any():
            raise ValueError(f"run {frame.loc[twice, 'run_id'].iloc[0]} is there twice")
        return _typed(frame[[*COLUMNS, *frame.columns.difference(COLUMNS)]])
    except (ValueError, KeyError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"cannot read '{path}' ({reason}); {how}") from None


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    numbers = dict.fromkeys(NUMBERS, "int64") | dict.fromkeys([*SHARES, *MEASURES], "float64")
    return frame.astype({column: numbers.get(column, "str") for column in frame})


def _framed(found: list[dict]) -> pd.DataFrame:
    """Records as a frame; InputError for one that another version made with other columns."""
    for record in found:
        if set(record) != set(COLUMNS):
            which = f"record '{_loose() / record['run_id']}.json' was made by version {record.get('cluster_tune', '?')}"
            raise InputError(f"{which} with other columns; gather it with that version, or delete it to compute it again")
    return pd.DataFrame(found, columns=COLUMNS)


def load(
    dataset: str | Collection[str] | None = None,
    encoder: str | Collection[str] | None = None,
    recipe: str | Collection[str] | None = None,
    setting: str | Collection[str] | None = None,
    data_fingerprint: str | Collection[str] | None = None,
    clustering: str | None = None,
    aside: bool = False,
    passes: bool = False,
) -> pd.DataFrame:
    """The tidy frame of finished runs, one a row, sorted by its keys; the arguments, one value or several each, narrow
    it down.

    `clustering` keeps the runs that use it and those that use none. Runs with another number of clusters, or of epochs
    on them, than the paper's stand aside: with `aside` they are there, too. Numbers of epochs on masked words are not
    mixed: of a data set's runs under a recipe, in both settings with masked words, those of the number that most runs
    have are taken, so that a grid of more epochs that has begun takes nothing away; of two alike the larger. With
    `passes`, or `aside`, all numbers are there.
    """
    loose = _typed(_framed(records()))  # before the archive: another process may be gathering them
    parts = [part for part in (_archive(), loose) if len(part)]
    frame = pd.concat(parts, ignore_index=True) if parts else _typed(pd.DataFrame(columns=COLUMNS))
    frame = frame.drop_duplicates("run_id", keep="last")
    if not aside:
        frame = frame[(frame["n_clusters"] == 0) | ((frame["n_clusters"] == N_CLUSTERS) & (frame["inter_epochs"] == 1))]
    if not (aside or passes):
        frame = frame[frame["mlm_epochs"] == _usual_epochs(frame)]
    wanted = {
        "dataset": dataset,
        "encoder": encoder,
        "recipe": recipe,
        "setting": setting,
        "data_fingerprint": data_fingerprint,
    }
    for column, value in wanted.items():
        if value is not None:
            frame = frame[frame[column].isin(_several(value))]
    if clustering is not None:
        frame = frame[frame["clustering"].isin([clustering, ""])]
    return frame.sort_values(KEYS).reset_index(drop=True)


def _usual_epochs(frame: pd.DataFrame) -> pd.Series:
    """For each run, with how many epochs on masked words it must be to count; 0 for those without."""
    masked, same = frame[frame["mlm_epochs"] > 0], ["dataset", "encoder", "recipe", "data_fingerprint"]
    counts = masked.groupby([*same, "mlm_epochs"]).size().rename("runs").reset_index()
    usual = counts.sort_values(["runs", "mlm_epochs"]).drop_duplicates(same, keep="last").set_index(same)["mlm_epochs"]
    return masked[same].join(usual, on=same)["mlm_epochs"].reindex(frame.index, fill_value=0)


def _several(value) -> list[str]:
    """One value, or each of several, as text."""
    return [str(item) for item in (value if isinstance(value, Collection) and not isinstance(value, str) else [value])]


def described(run: Run) -> dict[str, str]:
    """The keys of the tables of a run's data set and encoder, on the texts that were last described under its name: a
    table of others, before a label was corrected say, is not theirs."""
    known = table("facts", dataset=run.dataset)["data_fingerprint"].iloc[0]
    return {"dataset": run.dataset, "encoder": run.encoder, "data_fingerprint": known}


def of(runs: Iterable[Run]) -> pd.DataFrame:
    """The finished ones of some runs of one data set, on that data set as it was last described."""
    runs = list(dict.fromkeys(runs))
    keys = pd.DataFrame([{key: getattr(run, key) for key in KEYS} for run in runs])
    texts = described(runs[0])["data_fingerprint"]
    found = load(runs[0].dataset, data_fingerprint=texts).merge(keys, on=KEYS)
    if len(twice := found[found.duplicated(KEYS, keep=False)]):
        decided = ["encoder_fingerprint", *MEASURES[2:], *sorted(NUMBERS - {*KEYS, "updates"}), "schedule"]
        differ = [name for name in decided if twice.groupby(KEYS)[name].nunique().max() > 1]
        what = (f"{len(twice)} runs of {runs[0].dataset} are there in several versions "
                f"({', '.join(differ) or 'pooling or word vectors'})")
        raise InputError(f"{what}; keep one of each in '{paths.results()}'")
    return found


def fingerprint(frame: pd.DataFrame) -> str:
    """16 hexadecimal digits that stand for these rows in this order."""
    return hashlib.sha256(frame.to_csv(index=False, lineterminator="\n").encode()).hexdigest()[:16]


def finished() -> set[str]:
    """The identities of all finished runs."""
    return set(load(aside=True)["run_id"])


def gather() -> pd.DataFrame:
    """Fold the records into `runs.csv` and return it; the records go only once it is safely written."""
    with claims.waiting("gather"):
        gathered = sorted(_loose().glob("*.json"))
        frame = load(aside=True)
        write_atomically(paths.results() / "runs.csv", content(frame))
        for path in gathered:
            path.unlink(missing_ok=True)
    return frame


def write_table(kind: str, keys: Mapping[str, str], frame: pd.DataFrame) -> Path:
    """Store one writer's part of a table, of which `keys` become the first columns and the file's name."""
    rows = frame.assign(**keys)[[*keys, *frame.columns]]
    return write_atomically(place(kind, keys), content(rows, float_format="%.6g"))


def place(kind: str, keys: Mapping[str, str]) -> Path:
    """The file of one writer's part of a table, be it there or not. A hub's `owner/name` gets no folder of its own."""
    name = ".".join(str(value).replace("/", "--") for value in keys.values() if value != "")
    return paths.results() / kind / f"{name}.csv"


def table(kind: str, **keys: str | Collection[str]) -> pd.DataFrame:
    """All parts of a table whose keys match, one value or several each, one below the other; InputError if there is none.

    A key that a table does not have makes no difference to it: the clusters are the same for every encoder. What was
    stored after several numbers of epochs on masked words is there once, as in `load`.
    """
    one = keys.get("dataset")  # the first key of every table, and so how its files' names begin
    pattern = f"{glob.escape(one.replace('/', '--'))}.*" if isinstance(one, str) else "*.csv"
    parts = [_part(path) for path in sorted((paths.results() / kind).glob(pattern)) if path.suffix == ".csv"]
    for key, value in keys.items():
        parts = [part[part[key].astype(str).isin(_several(value))] if key in part else part for part in parts]
    parts = [part for part in parts if len(part)]
    if not parts:
        wanted = ", ".join(f"{key} {' or '.join(filter(None, _several(value)))}" for key, value in keys.items())
        how = f"compute them with cluster-tune {COMMANDS.get(kind, 'run')}, or on a page with -p compute=true"
        raise InputError(f"no {kind} in '{paths.results()}' for {wanted or 'anything'}; {how}")
    frame = pd.concat(parts, ignore_index=True)
    return _as_the_runs(frame) if "mlm_epochs" in frame else frame


def _as_the_runs(frame: pd.DataFrame) -> pd.DataFrame:
    """Of tables that differ in nothing but the number of epochs on masked words, the one of the runs that `load` gives, or
    else that of most."""
    same = [key for key in (*KEYS[:5], "data_fingerprint") if key in frame]
    there = frame.groupby(same)["mlm_epochs"]
    if there.nunique().max() < 2:
        return frame
    shown = load().groupby(same)["mlm_epochs"].max().rename("shown")
    wanted = frame[same].join(shown, on=same)["shown"]
    found = (frame["mlm_epochs"] == wanted).groupby([frame[key] for key in same]).transform("any")
    kept = frame["mlm_epochs"].isna() | (frame["mlm_epochs"] == wanted.where(found, there.transform("max")))
    return frame[kept].reset_index(drop=True)


def _part(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, keep_default_na=False, na_values=dict.fromkeys(MAY_LACK, ""),
                           dtype=dict.fromkeys([*FINGERPRINTS, *TEXTS], str))
    except ValueError as error:
        why = " ".join(str(error).split())
        raise InputError(f"cannot read '{path}' ({why}); delete it to have it made anew, "
                         "or restore it from the repository") from None


def published(name: str, as_text: bool = False) -> pd.DataFrame:
    """A table of published numbers, `results/published/NAME.csv` of the checkout; InputError if there is none.

    `as_text` leaves every cell as it stands there.
    """
    path = paths.root() / "results" / "published" / f"{name}.csv"
    if not path.is_file():
        raise InputError(f"there is no '{path}'; restore it from the repository")
    return pd.read_csv(path, **({"dtype": str, "keep_default_na": False} if as_text else {}))


def sizes(dataset: Collection[str]) -> dict[str, tuple[int, int]]:
    """Data set -> its numbers of training and test texts, of those in the store."""
    counts = table("data", dataset=dataset).pivot_table(index="dataset", columns="split", values="count", aggfunc="sum")
    return {name: (int(row["train"]), int(row["test"])) for name, row in counts.iterrows()}


def benchmark(name: str) -> pd.DataFrame:
    """What a benchmark measured last, `benchmarks/NAME.csv` of the checkout; InputError if there is none."""
    path = paths.root() / "benchmarks" / f"{name}.csv"
    if not path.is_file():
        raise InputError(f"there is no '{path}'; restore it from the repository, or measure it with `make bench`")
    return pd.read_csv(path)


def expand(counted: pd.DataFrame) -> pd.DataFrame:
    """One row for each of the `count` things that a row of a table stands for."""
    return counted.loc[counted.index.repeat(counted["count"])].drop(columns="count").reset_index(drop=True)
