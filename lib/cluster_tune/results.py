"""The store of results: one small JSON a finished run, and tidy tables gathered from them.

A record is written last and atomically, with every key inside it, so "exists" means "finished"; file names are never
parsed. `runs.csv` is what is committed and read by every page; `runs/` holds records not yet gathered. The tables
beside it (clusters, losses, ...) have one file a writer, and their keys as columns.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from cluster_tune import paths
from cluster_tune.design import Run
from cluster_tune.errors import InputError

# The columns of runs.csv: what was run, what came out, what it was run with, and on what.
KEYS = ["dataset", "encoder", "setting", "clustering", "recipe", "budget", "repetition"]
NUMBERS = {  # whole numbers, which a gap in an older record must not turn into fractions
    "budget", "repetition", "updates", "missing_classes", "classes", "train_texts", "test_texts", "n_clusters",
    "batch_size", "epochs", "min_updates", "max_length", "inter_batch_size", "inter_epochs",
}  # fmt: skip
SHARES = ["accuracy", "macro_f1"]
FINGERPRINTS = ["data_fingerprint", "sample_fingerprint"]
MEASURES = ["seconds", "seconds_training", "learning_rate", "inter_learning_rate"]
COLUMNS = [
    "run_id", *KEYS, *SHARES, "updates", "missing_classes", "classes", "train_texts", "test_texts", *MEASURES[:2],
    "learning_rate", "batch_size", "epochs", "min_updates", "schedule", "max_length",
    "inter_learning_rate", "inter_batch_size", "inter_epochs", "n_clusters",
    "sample_fingerprint", "data_fingerprint", "encoder_fingerprint",
    "device", "precision", "cluster_tune", "torch", "transformers", "python",
]  # fmt: skip


def identity(run: Mapping) -> str:
    """16 hexadecimal digits that stand for everything that decides a run's outcome. Another recipe, data or weights
    make another run, so that a record made with other settings is never mixed in silently."""
    return hashlib.sha256(_canonical(run)).hexdigest()[:16]


def _canonical(record: Mapping) -> bytes:
    return json.dumps(record, sort_keys=True, ensure_ascii=False).encode()


def write_atomically(path: Path, content: bytes) -> Path:
    """Write `content` whole or not at all, and make its folder; InputError if that fails."""
    paths.writable(path.parent)
    with paths.replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


def write(record: Mapping) -> Path:
    """Store the record of a finished run under its `run_id`, with a digest that tells a later edit."""
    digest = hashlib.sha256(_canonical(record)).hexdigest()[:16]
    content = json.dumps({**record, "digest": digest}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return write_atomically(paths.results() / "runs" / f"{record['run_id']}.json", content.encode())


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
    return [read(path) for path in sorted((paths.results() / "runs").glob("*.json"))]


def _archive() -> pd.DataFrame:
    path = paths.results() / "runs.csv"
    if not path.is_file():
        return pd.DataFrame(columns=COLUMNS, dtype=str)
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        return _typed(frame[[*COLUMNS, *frame.columns.difference(COLUMNS)]])
    except (ValueError, KeyError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"cannot read '{path}' ({reason}); restore it from the repository") from None


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    numbers = dict.fromkeys(NUMBERS, "int64") | dict.fromkeys([*SHARES, *MEASURES], "float64")
    return frame.astype({column: numbers.get(column, "str") for column in frame})


def load(
    dataset: str | None = None,
    encoder: str | None = None,
    recipe: str | None = None,
    setting: str | None = None,
    data_fingerprint: str | None = None,
) -> pd.DataFrame:
    """The tidy frame of finished runs, one a row, sorted by its keys; the arguments narrow it down."""
    parts = [part for part in (_archive(), _typed(pd.DataFrame(records(), columns=COLUMNS))) if len(part)]
    frame = pd.concat(parts, ignore_index=True) if parts else _typed(pd.DataFrame(columns=COLUMNS))
    frame = frame.drop_duplicates("run_id", keep="last")
    wanted = {
        "dataset": dataset,
        "encoder": encoder,
        "recipe": recipe,
        "setting": setting,
        "data_fingerprint": data_fingerprint,
    }
    for column, value in wanted.items():
        if value is not None:
            frame = frame[frame[column] == value]
    return frame.sort_values(KEYS).reset_index(drop=True)


def of(runs: Iterable[Run]) -> pd.DataFrame:
    """The finished ones of some runs of one data set, on that data set as it was last described."""
    runs = list(runs)
    keys = pd.DataFrame([{key: getattr(run, key) for key in KEYS} for run in runs])
    described = table("facts", dataset=runs[0].dataset)["data_fingerprint"].iloc[0]
    return load(runs[0].dataset, data_fingerprint=described).merge(keys, on=KEYS)


def finished() -> set[str]:
    """The identities of all finished runs."""
    return set(load()["run_id"])


def gather() -> pd.DataFrame:
    """Fold the records into `runs.csv` and return it; the records go only once it is safely written."""
    gathered = sorted((paths.results() / "runs").glob("*.json"))
    frame = load()
    write_atomically(paths.results() / "runs.csv", frame.to_csv(index=False, lineterminator="\n").encode())
    for path in gathered:
        path.unlink()
    return frame


def write_table(kind: str, keys: Mapping[str, str], frame: pd.DataFrame) -> Path:
    """Store one writer's part of a table: `keys` become its first columns and its file's name."""
    name = ".".join(str(value) for value in keys.values() if value != "")
    content = frame.assign(**keys)[[*keys, *frame.columns]].to_csv(index=False, lineterminator="\n", float_format="%.6g")
    return write_atomically(paths.results() / kind / f"{name}.csv", content.encode())


def table(kind: str, **keys: str) -> pd.DataFrame:
    """All parts of a table whose keys match, one below the other; InputError if there is none.

    A key that a table does not have makes no difference to it: the clusters are the same for every encoder.
    """
    parts = [_part(path) for path in sorted((paths.results() / kind).glob("*.csv"))]
    for key, value in keys.items():
        parts = [part[part[key].astype(str) == str(value)] if key in part else part for part in parts]
    parts = [part for part in parts if len(part)]
    if not parts:
        wanted = ", ".join(f"{key} {value}" for key, value in keys.items())
        raise InputError(f"no {kind} in '{paths.results()}' for {wanted or 'anything'}; compute them with cluster-tune run")
    return pd.concat(parts, ignore_index=True)


def _part(path: Path) -> pd.DataFrame:
    as_text = dict.fromkeys(FINGERPRINTS, str)  # sixteen digits, or an e among digits, would pass for a number
    return pd.read_csv(path, keep_default_na=False, dtype=as_text)


def published(name: str) -> pd.DataFrame:
    """A table of published numbers, `results/published/NAME.csv` of the checkout; InputError if there is none."""
    path = paths.root() / "results" / "published" / f"{name}.csv"
    if not path.is_file():
        raise InputError(f"there is no '{path}'; restore it from the repository")
    return pd.read_csv(path)


def expand(counted: pd.DataFrame) -> pd.DataFrame:
    """One row for each of the `count` things that a row of a table stands for."""
    return counted.loc[counted.index.repeat(counted["count"])].drop(columns="count").reset_index(drop=True)
