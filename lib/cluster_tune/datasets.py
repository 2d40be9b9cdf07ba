"""Data sets by name or path: the nine of the paper's Table 1, the embedded docstrings, and any table of one's own.

`load` reads, `fetch` gets from the source. A set of the user's own (`CLUSTER_TUNE_DATA`) is read where it lies and
never written; splits and cuts are then made in memory by the same seeded rules. No text is changed in any way but
one: empty rows are dropped and counted in `notes`. Left out: streaming, multi-label data, stratified splits.
"""

import csv
import errno
import gzip
import hashlib
import http.client
import io
import json
import os
import re
import tarfile
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from cluster_tune import docstrings, paths
from cluster_tune.errors import InputError, unknown

PARTS = ("train", "dev", "test")
SEED = 0
SHARES = (0.7, 0.1, 0.2)  # where the source has no split (section 3.1)
CUT = {"train": 15_000, "dev": 1_500, "test": 3_000}  # for the four large sets; the paper names train and test
MIN_ROWS = 10
MAX_EMPTY = 0.1  # above this share of empty texts, the column is more likely the wrong one
SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl", ".csv.gz", ".tsv.gz", ".jsonl.gz")  # the first that is there is taken
KINDS = ".csv, .tsv, .jsonl or .parquet"  # as a message has them; all but the last also with .gz
LONGEST_NAME = 40  # characters of a column or class that a message shows
SEPARATORS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}  # a .csv has the first, a .tsv the second

_WHOLE = "no split given: 70/10/20 at random, seed 0"
_GIVEN = "train and test as given; dev is a tenth of train at random, seed 0"
_TRIMMED = "; then cut to at most 15,000/1,500/3,000 at random, seed 0"


@dataclass(frozen=True)
class Info:
    """What is known of a data set before it is loaded. `paper_*` and `classes` are the paper's Table 1, rounded as
    there; None for sets the paper does not have."""

    key: str
    title: str
    topical: bool | None
    classes: int
    paper_train: int | None
    paper_test: int | None
    source: str
    address: str
    licence: str
    citation: str  # key in references.bib
    split: str = _WHOLE
    note: str = ""
    hub: str = ""  # dataset repository on the Hugging Face hub
    files: dict[str, str] = field(default_factory=dict)  # where there is no repository: file name -> address
    sha256: dict[str, str] = field(default_factory=dict)  # file name -> pinned checksum
    parts: tuple[str, ...] = ("train", "test")  # the parts of the source; with a split of _WHOLE they are joined
    text: tuple[str, ...] = ("text",)  # source columns, joined by a blank
    label: str = "label"
    labels: tuple[str, ...] = ()  # names of numbered classes, from 0
    excerpts: bool = False  # whether the licence clearly allows the book to show the beginnings of many of its texts

    @property
    def whole(self) -> bool:
        """Whether the source gives no train/test split."""
        return self.split.startswith(_WHOLE)

    @property
    def trimmed(self) -> bool:
        """Whether the paper cuts the set to 15,000/3,000."""
        return self.split.endswith(_TRIMMED)


REGISTRY = {
    info.key: info
    for info in (
        Info(
            "yahoo_answers", "Yahoo! Answers", True, 10, 15_000, 3_000,
            "Yahoo! Answers questions by main category (Zhang et al. 2015)",
            "https://huggingface.co/datasets/community-datasets/yahoo_answers_topics",
            "restricted to research; not to be passed on", "zhang2015character",
            split=_GIVEN + _TRIMMED,
            note="The download has title, question and best answer; the published pages of this book have question titles only.",
            hub="community-datasets/yahoo_answers_topics",
            text=("question_title", "question_content", "best_answer"), label="topic",
            labels=(
                "Society & Culture", "Science & Mathematics", "Health", "Education & Reference",
                "Computers & Internet", "Sports", "Business & Finance", "Entertainment & Music",
                "Family & Relationships", "Politics & Government",
            ),
        ),
        Info(
            "dbpedia", "DBpedia", True, 14, 15_000, 3_000,
            "first paragraphs of Wikipedia articles by entity type (Zhang et al. 2015)",
            "https://huggingface.co/datasets/fancyzhx/dbpedia_14",
            "CC BY-SA 3.0", "zhang2015character",
            split=_GIVEN + _TRIMMED,
            note="Text is the description without the title, as in the authors' code.",
            hub="fancyzhx/dbpedia_14", text=("content",),
            labels=(
                "Company", "EducationalInstitution", "Artist", "Athlete", "OfficeHolder", "MeanOfTransportation",
                "Building", "NaturalPlace", "Village", "Animal", "Plant", "Album", "Film", "WrittenWork",
            ),
            excerpts=True,
        ),
        Info(
            "cfpb", "CFPB", True, 15, 15_000, 3_000,
            "consumers' complaints about financial products (Consumer Financial Protection Bureau)",
            "https://www.consumerfinance.gov/data-research/consumer-complaints/",
            "US government open data (public domain)", "cfpb2021complaints",
            split=_WHOLE + _TRIMMED,
            note="The database has renamed its products twice; the names are merged here into 10 classes, "
                 "where the paper counts 15.",
            files={
                "complaints.csv": "https://www.consumerfinance.gov/data-research/consumer-complaints/search/api/v1/"
                "?format=csv&no_aggs=true&has_narrative=true&field=all"
                "&date_received_min=2018-01-01&date_received_max=2018-03-31"
            },
            text=("Consumer complaint narrative",), label="Product",
            excerpts=True,
        ),
        Info(
            "20_newsgroups", "20 Newsgroups", True, 20, 10_200, 7_500,
            "Usenet postings by newsgroup, split by date (Lang 1995)",
            "http://qwone.com/~jason/20Newsgroups/",
            "no licence stated; freely distributed for research", "lang1995newsweeder",
            split=_GIVEN,
            note="Headers, footers and quotes are kept, as in the authors' code.",
            files={"20news-bydate.tar.gz": "https://ndownloader.figshare.com/files/5975967"},
            sha256={"20news-bydate.tar.gz": "8f1b2514ca22a5ade8fbb9cfa5727df95fa587f4c87b786e15c759fa66d95610"},
        ),
        Info(
            "ag_news", "AG News", True, 4, 15_000, 3_000,
            "news items by section (Zhang et al. 2015)",
            "https://huggingface.co/datasets/fancyzhx/ag_news",
            "non-commercial research", "zhang2015character",
            split=_GIVEN + _TRIMMED,
            note="Text is title and description in one field; the authors' code has the description only.",
            hub="fancyzhx/ag_news", labels=("World", "Sports", "Business", "Sci/Tech"),
        ),
        Info(
            "isear", "ISEAR", True, 7, 5_400, 1_500,
            "people's accounts of situations in which they felt one of seven emotions (Scherer and Wallbott 1994)",
            "https://www.unige.ch/cisa/research/materials-and-online-research/research-material/",
            "CC BY-NC-SA 3.0", "scherer1994evidence",
            note="Line-break artefacts of the source are repaired; answers such as '[ No response.]' are kept.",
            files={"isear.csv": "https://raw.githubusercontent.com/sinmaniphel/py_isear_dataset/master/isear.csv"},
            text=("SIT",), label="Field1",
            excerpts=True,
        ),
        Info(
            "sms_spam", "SMS spam", False, 2, 3_900, 1_100,
            "text messages, wanted or not (Almeida et al. 2011)",
            "https://huggingface.co/datasets/ucirvine/sms_spam",
            "CC BY 4.0", "almeida2011contributions",
            hub="ucirvine/sms_spam", parts=("train",), text=("sms",), labels=("ham", "spam"),
            excerpts=True,
        ),
        Info(
            "subjectivity", "Subjectivity", False, 2, 7_000, 2_000,
            "sentences of plots and of reviews of films (Pang and Lee 2004)",
            "https://huggingface.co/datasets/SetFit/subj",
            "no licence stated; distributed for research", "pang2004sentimental",
            note="Lower-cased by its authors.",
            hub="SetFit/subj", label="label_text",
        ),
        Info(
            "polarity", "Polarity", False, 2, 7_500, 2_100,
            "sentences of favourable and unfavourable film reviews (Pang and Lee 2005)",
            "https://huggingface.co/datasets/cornell-movie-review-data/rotten_tomatoes",
            "no licence stated; distributed for research", "pang2005seeing",
            note="Lower-cased by its authors.",
            hub="cornell-movie-review-data/rotten_tomatoes", parts=("train", "validation", "test"),
            labels=("neg", "pos"),
        ),
        Info(
            "docstrings", "Docstrings", True, 10, None, None,
            "docstrings of ten installed Python packages; the label is the package",
            "read from the installed packages",
            "the packages' own: BSD-3-Clause, BSD-2-Clause, Apache-2.0, PSF-based", "",
            note="700 texts a package; the packages' names are masked. Not one of the paper's sets.",
            excerpts=True,
        ),
        Info(
            "docstrings-small", "Docstrings (small)", True, 10, None, None,
            "a subset of the docstrings, for a first run",
            "read from the installed packages",
            "the packages' own: BSD-3-Clause, BSD-2-Clause, Apache-2.0, PSF-based", "",
            note="120 of the 700 texts a package. Not one of the paper's sets.",
            excerpts=True,
        ),
    )
}  # fmt: skip
EMBEDDED = {"docstrings": 700, "docstrings-small": 120}

# The Bureau's product names of 2011, 2017 and 2023, merged.
CFPB_PRODUCTS = {
    "Bank account or service": "Bank account",
    "Checking or savings account": "Bank account",
    "Consumer Loan": "Consumer loan",
    "Vehicle loan or lease": "Consumer loan",
    "Credit card": "Credit card or prepaid card",
    "Prepaid card": "Credit card or prepaid card",
    "Credit reporting, credit repair services, or other personal consumer reports": "Credit reporting",
    "Credit reporting or other personal consumer reports": "Credit reporting",
    "Money transfers": "Money transfer",
    "Money transfer, virtual currency, or money service": "Money transfer",
    "Virtual currency": "Money transfer",
    "Payday loan, title loan, or personal loan": "Payday loan",
    "Payday loan, title loan, personal loan, or advance loan": "Payday loan",
    "Debt or credit management": "Other financial service",
}


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set ready for use: three frames with columns `text` and `label` (both str), numbered from 0.

    Training texts of a user's own may lack a label: theirs is '', and they come after the `labelled` ones. They are
    clustered and inter-trained on, and have no part in what needs classes.
    `classes` are the sorted names of the classes of all parts; `fingerprint` is of the contents (see `fingerprint`);
    `notes` says in sentences what was dropped or stands out; `origin` is one of own, prepared, embedded, file.
    """

    name: str
    title: str
    topical: bool | None
    train: pd.DataFrame
    dev: pd.DataFrame
    test: pd.DataFrame
    classes: tuple[str, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()
    origin: str = ""

    @cached_property
    def labelled(self) -> int:
        """How many of the training texts have a label; every run of a grid asks."""
        return int((self.train["label"] != "").sum())

    def codes(self, part: str) -> np.ndarray:
        """The classes of a part as their places in `classes`, int64 (n,); -1 for a text without a label."""
        places = {label: code for code, label in enumerate(self.classes)}
        return np.array([places.get(label, -1) for label in getattr(self, part)["label"]], dtype=np.int64)

    def sizes(self) -> dict[str, int]:
        """Rows of each part."""
        return {part: len(getattr(self, part)) for part in PARTS}


def info(name: str) -> Info:
    """The registry's entry; InputError for an unknown one, with the nearest name or how to give what lies here."""
    if name not in REGISTRY:
        if os.path.isdir(name):
            raise InputError(f"'{name}' is no known data set but a folder here; write ./{name} for what is in it")
        if os.path.isfile(name):
            raise _neither(name)
        raise unknown("data set", name, REGISTRY)
    return REGISTRY[name]


def titles() -> dict[str, str]:
    """Name -> title of every data set of the registry."""
    return {key: entry.title for key, entry in REGISTRY.items()}


def shown() -> dict[str, str]:
    """Name -> title of the data sets that the book is about: the paper's nine, topical ones first, and docstrings."""
    return {key: entry.title for key, entry in REGISTRY.items() if key != "docstrings-small"}


def notes_on_excerpts() -> dict[str, str]:
    """Name -> a sentence on the licence of the texts of which figures show the beginnings, or why they do not."""
    return {
        key: f"Texts: {entry.source}; licence: {entry.licence}." if entry.excerpts else
        f"Texts are not shown here, since their licence does not clearly allow it ({entry.licence})."
        for key, entry in REGISTRY.items()
    }


def excerpts_allowed(name: str) -> bool:
    """Whether the beginnings of many texts may be shown: as the registry says, and always for a file of one's own."""
    return name not in REGISTRY or REGISTRY[name].excerpts


def kinds() -> dict[str, bool | None]:
    """Name -> whether it is topical, of every data set of the registry."""
    return {key: entry.topical for key, entry in REGISTRY.items()}


def load(name: str, text_column: str = "text", label_column: str = "label") -> Dataset:
    """The data set of that name, or of that path to a file that ends as one of `SUFFIXES`, or a folder of them.

    A name is looked up in the user's own folder, then among the prepared splits, then among the embedded corpora; one
    in that folder that the registry does not have is treated like a path. The columns are those of files of the user's
    own. InputError, in one line, for whatever cannot be used.
    """
    if is_path(name):
        return _load_path(name, text_column, label_column)
    own = paths.own_data()
    if own and (found := _part_files(own / name)):
        return _load_files(name, found, text_column, label_column, "own")
    info(name)
    if name in EMBEDDED:
        return _load_embedded(name)
    if (folder := paths.data() / name) and (folder / "split.json").is_file():
        return _load_prepared(name, folder)
    raise InputError(f"data set '{name}' is not here; `cluster-tune data {name}` fetches it, or {_what_to_put(name)}")


def is_path(name: str) -> bool:
    """Whether `load` takes it for a path and not for the name of a data set, be there a file or not."""
    separators = [os.sep, "/"] + ([os.altsep] if os.altsep else [])
    return any(separator in name for separator in separators) or name.lower().endswith(SUFFIXES)


def is_own(name: str) -> bool:
    """Whether it is the name of a data set in the user's own folder that the registry does not know."""
    own = paths.own_data()
    return name not in REGISTRY and not is_path(name) and bool(own and _part_files(own / name))


def check_names(given: Mapping[str, Dataset]) -> None:
    """InputError for different data sets, path -> data, that the store would have under one name, so that one would hide the
    other."""
    first: dict[str, tuple[str, str]] = {}
    for path, data in given.items():
        other, fingerprint = first.setdefault(data.name, (path, data.fingerprint))
        if fingerprint != data.fingerprint:
            raise InputError(f"'{other}' and '{path}' are both called '{data.name}' in the results; rename one of them")


def name_of(name: str) -> str:
    """What `load(name).name` would be, without loading: the name itself, or one made of a path's stem. What is left of a
    stem with letters of other alphabets may be left of many, so that six digits of a hash of it are added."""
    if not is_path(name):
        return name
    whole = unicodedata.normalize("NFC", stem(name))  # some systems store an accent as a character of its own
    made = re.sub(r"[^a-z0-9]+", "_", whole.lower()).strip("_") or "data"
    if not whole.isascii():
        made += f"_{hashlib.sha256(whole.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"
    return made + ("_file" if made in REGISTRY else "")  # results of the two must not be taken for each other


def stem(path: str | Path) -> str:
    """The name of a file or folder without its folders, and without `SUFFIXES`, of which some are two."""
    return Path(re.sub(r"(?i)\.gz$", "", Path(path).name)).stem


def read(path: str, text_column: str = "text", label_column: str | None = None) -> pd.DataFrame:
    """A file of one's own row by row, nothing dropped: `text` and, where the file has labels, `label`, both str.

    What is missing is ''. Blanks around a label are no part of it, as in `load`. With no `label_column` named, a column
    `label` is taken if there is one. InputError for what cannot be read and for columns that are not there or hold no
    texts or labels, as `load` has it.
    """
    file = Path(path)
    if file.is_dir():
        raise InputError(f"'{path}' is a folder; give the path of a {KINDS} file")
    _check_path(file)
    frame = _read_any(file)
    label = label_column or ("label" if "label" in frame and text_column != "label" else None)
    frame = _columns(frame, file, text_column, label)
    _check_values(frame, f"'{file.name}'")
    frame = frame.assign(text=_filled(frame["text"]))
    return frame.assign(label=_labels(frame["label"])) if label else frame


def fetch(name: str, progress: bool = True, again: bool = False, download: Callable | None = None) -> Dataset:
    """Get the data set from its source, split it, and write `data/NAME/{train,dev,test}.parquet`.

    What is already there is loaded and nothing is fetched, unless `again`; the checksums of the first time are then
    compared. Files of one's own are loaded. `download(info, folder, progress, again)` -> {file name: path} can stand in
    for the network.
    """
    if is_own(name) or is_path(name):
        return load(name)
    entry = info(name)
    own = paths.own_data()
    folder = paths.data() / name
    here = (folder / "split.json").is_file() or (own and _part_files(own / name)) or name in EMBEDDED
    if here and not (again and name not in EMBEDDED):
        return load(name)
    paths.writable(folder)
    files = (download or _download)(entry, folder, progress, again)
    checksums = {source: sha256(path) for source, path in files.items()}
    _compare(entry, folder, checksums)
    raw = _READERS.get(name, _read_tables)(entry, files)
    parts, notes = _checked(raw, name)
    dataset = _assemble(name, _apply(entry, parts), notes, "prepared")
    _write(folder, dataset, {"source": entry.address, "files": checksums, "split": entry.split})
    return dataset


def fingerprint(parts: dict[str, pd.DataFrame]) -> str:
    """16 hex digits over the texts and labels of train, dev and test in order; the file format plays no part."""
    digest = hashlib.sha256()
    for part in PARTS:
        digest.update(f"{part} {len(parts[part])}\n".encode())
        for row in zip(parts[part]["text"], parts[part]["label"], strict=True):
            for value in row:
                encoded = value.encode("utf-8", "surrogatepass")
                digest.update(b"%d:" % len(encoded) + encoded)
    return digest.hexdigest()[:16]


# Splits


def split(frame: pd.DataFrame, seed: int = SEED) -> dict[str, pd.DataFrame]:
    """Rows of one table at random into train, dev and test, 70/10/20."""
    order = np.random.default_rng(seed).permutation(len(frame))
    first, second = round(len(frame) * SHARES[0]), round(len(frame) * (SHARES[0] + SHARES[1]))
    pieces = np.split(order, [first, second])
    return {part: frame.iloc[piece].reset_index(drop=True) for part, piece in zip(PARTS, pieces, strict=True)}


def cut(frame: pd.DataFrame, size: int, seed: int = SEED) -> pd.DataFrame:
    """At most `size` rows, drawn at random."""
    if len(frame) <= size:
        return frame
    return frame.iloc[np.random.default_rng(seed).permutation(len(frame))[:size]].reset_index(drop=True)


def _apply(entry: Info | None, parts: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The split rule of the registry, or the default one for a set that is not in it."""
    if "all" in parts:
        parts = split(parts["all"])
    elif entry and entry.whole and "dev" not in parts:
        parts = split(pd.concat([parts["train"], parts["test"]], ignore_index=True))
    elif entry and "dev" not in parts:
        order = np.random.default_rng(SEED).permutation(len(parts["train"]))
        size = round(len(order) * 0.9)
        train, dev = (parts["train"].iloc[rows].reset_index(drop=True) for rows in (order[:size], order[size:]))
        parts = {**parts, "train": train, "dev": dev}
    parts = {part: parts.get(part, parts["train"].iloc[:0]) for part in PARTS}
    return {part: cut(frame, CUT[part]) for part, frame in parts.items()} if entry and entry.trimmed else parts


# Loading


def _load_path(name: str, text_column: str, label_column: str) -> Dataset:
    if (path := Path(name)).is_dir():
        if not (found := _part_files(path)):
            raise InputError(f"'{path}' holds no train and test (or all) as {KINDS}; put them there")
    else:
        _check_path(path)
        found = {"all": path}
    return _load_files(name_of(name), found, text_column, label_column, "file")


def _check_path(path: Path) -> None:
    """InputError for what is no file, or none that can be read here."""
    if not path.is_file():
        raise InputError(f"there is no file '{path}'; give the path of a {KINDS} file")
    if not path.name.lower().endswith(SUFFIXES):
        raise _neither(path)


def _neither(path: Path | str) -> InputError:
    return InputError(f"'{path}' is no {KINDS} file; save it as one of them")


def _load_files(name: str, files: dict[str, Path], text_column: str, label_column: str, origin: str) -> Dataset:
    raw = {part: _read_file(path, text_column, label_column) for part, path in files.items()}
    if name in REGISTRY:
        parts, notes = _checked(raw, name)
        return _assemble(name, _apply(REGISTRY[name], parts), notes, origin)
    parts, notes = _checked(raw, name, wanting=("all", "train"))
    without = {part: frame["label"] == "" for part, frame in parts.items()}
    some = pd.concat([frame[without[part]] for part, frame in parts.items()])
    parts = _apply(None, {part: frame[~without[part]].reset_index(drop=True) for part, frame in parts.items()})
    if len(some):
        notes = (*notes, f"{len(some):,} texts have no label: they are clustered and inter-trained on, and not fine-tuned on.")
        parts = {**parts, "train": pd.concat([parts["train"], some], ignore_index=True)}
    return _assemble(name, parts, notes, origin)


def _load_prepared(name: str, folder: Path) -> Dataset:
    record = _record(folder)
    raw = {part: _read_file(folder / f"{part}.parquet", "text", "label") for part in PARTS}
    dataset = _assemble(name, raw, tuple(record.get("notes", ())), "prepared")
    if dataset.fingerprint != record.get("fingerprint"):
        raise InputError(f"'{folder}' has changed since it was written; delete it and run `cluster-tune data {name}`")
    return dataset


def _load_embedded(name: str) -> Dataset:
    """The docstrings as cached for these versions of the packages, or else collected and cached now."""
    folder = paths.data() / "docstrings"
    made_by = {"versions": docstrings.versions(), "settings": docstrings.SETTINGS, "seed": SEED}
    if not ((folder / "split.json").is_file() and _record(folder).get("made_by") == made_by):
        paths.writable(folder)
        frame = docstrings.collect(EMBEDDED["docstrings"], SEED)
        _write(folder, _assemble("docstrings", split(frame), (), "embedded"), {"made_by": made_by})
    raw = {part: _read_file(folder / f"{part}.parquet", "text", "label") for part in PARTS}
    if name == "docstrings":
        return _assemble(name, raw, (), "embedded")
    first = pd.concat(raw.values(), ignore_index=True).groupby("label", sort=False).head(EMBEDDED[name])
    return _assemble(name, split(first.reset_index(drop=True)), (), "embedded")


def _assemble(name: str, parts: dict[str, pd.DataFrame], notes: Iterable[str], origin: str) -> Dataset:
    entry = REGISTRY.get(name)
    labels = pd.concat([parts[part]["label"] for part in PARTS])
    counts = labels[labels != ""].value_counts()
    if absent := sorted(set(counts.index) - set(parts["train"]["label"])):
        notes = (*notes, f"No text of {_some(absent)} is in the training part.")
    if twice := int(parts["test"]["text"].isin(set(parts["train"]["text"])).sum()):
        again = f"{twice:,} of {len(parts['test']):,} test texts are in the training part, too"
        notes = (*notes, f"{again}: all accuracies are a little too high for it.")
    title, topical = (entry.title, entry.topical) if entry else (name.replace("_", " "), None)
    classes, notes = tuple(sorted(counts.index)), tuple(dict.fromkeys(notes))
    frames = [parts[part] for part in PARTS]
    return Dataset(name, title, topical, *frames, classes, fingerprint(parts), notes, origin)


# Reading and checking


def _part_files(folder: Path) -> dict[str, Path]:
    """Part -> file for a folder with train and test (and perhaps dev), or else with all; {} for any other."""
    found = {}
    for part in (*PARTS, "all"):
        for suffix in SUFFIXES:
            if part not in found and (folder / f"{part}{suffix}").is_file():
                found[part] = folder / f"{part}{suffix}"
    if {"train", "test"} <= found.keys():
        return {part: found[part] for part in PARTS if part in found}
    return {"all": found["all"]} if "all" in found else {}


def _read_file(path: Path, text_column: str, label_column: str) -> pd.DataFrame:
    """Columns `text` and `label` of a file, as they are; missing values stay missing."""
    return _columns(_read_any(path), path, text_column, label_column)


def _read_any(path: Path) -> pd.DataFrame:
    kind = path.name.lower().removesuffix(".gz")
    if kind.endswith(".parquet"):
        return _read_parquet(path)
    return _read_jsonl(path) if kind.endswith(".jsonl") else _read_csv(path, "\t" if kind.endswith(".tsv") else ",")


def _columns(frame: pd.DataFrame, path: Path, text_column: str, label_column: str | None) -> pd.DataFrame:
    """Columns `text` and, where one is named for it, `label` of a table; InputError where they are not two there."""
    columns = {"text": text_column, **({"label": label_column} if label_column else {})}
    for kind, column in columns.items():
        _need(frame, path, kind, column)
    if text_column == label_column:
        raise InputError(f"text and label are both column '{text_column}' of '{path.name}'; name two different ones")
    return pd.DataFrame({kind: frame[column] for kind, column in columns.items()})


def _need(frame: pd.DataFrame, path: Path, kind: str, column: str) -> None:
    """InputError for a column that is not there."""
    if column not in frame:
        known = _some(list(map(str, frame.columns)), 8)
        how = f"name one with --{kind}-column, or for a page with -p {kind}_column="
        raise InputError(f"'{path.name}' has no column '{column}', it has {known}; {how}")


def _read_parquet(path: Path) -> pd.DataFrame:
    """The rows in the file's order, numbered from 0: an index of a sorted or filtered frame comes along in the file."""
    import pyarrow

    try:
        return pd.read_parquet(path).reset_index(drop=True)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        why = getattr(error, "strerror", None) or "damaged, or not parquet"
        raise InputError(f"cannot read '{path}' as parquet ({why}); write or fetch it again") from None


def _read_jsonl(path: Path) -> pd.DataFrame:
    """An object a line, each value as it is; pandas would make numbers and dates of texts that look like some."""
    rows = []
    for number, line in enumerate(_decoded(path).split("\n"), 1):  # other ends of lines may stand within a text
        try:
            rows += [json.loads(line)] if line.strip() else []
            json.dumps(rows[-1:] if "\\u" in line else "", ensure_ascii=False).encode()
        except json.JSONDecodeError as error:
            why = f"{error.msg} at character {error.colno}"
            raise InputError(f"line {number} of '{path.name}' is not JSON ({why}); mend it") from None
        except UnicodeEncodeError:  # what was cut between the two halves, and could be stored nowhere
            raise InputError(f"line {number} of '{path.name}' holds half of a character (\\ud...); mend it") from None
        except (RecursionError, ValueError):  # the second of a number of thousands of digits
            raise InputError(f"line {number} of '{path.name}' is nested too deep, or has too long a number; mend it") from None
        if rows and not isinstance(rows[-1], dict):
            raise InputError(f"line {number} of '{path.name}' is no object such as {{\"text\": \"...\"}}; mend it")
    if not rows:
        raise InputError(f"'{path.name}' is empty; it needs a row a text")
    return pd.DataFrame(rows, dtype=object)


def _read_csv(path: Path, separator: str) -> pd.DataFrame:
    """Every cell as text: a text may well be 'NA' or '1.0'."""
    content = _decoded(path)
    _check_separator(content, path, separator)
    _check_quotes(content, path, separator)
    try:
        # Where there is one column, a blank line is a row: an empty text, that others may keep their numbers. Those before
        # the names of the columns are skipped, not taken off: a message counts lines as an editor does.
        above, first = re.match(r"((?:[ \t]*(?:\r\n|\r|\n))*)([^\r\n]*)", content).groups()
        single = separator not in first
        content = content.rstrip("\r\n") if single else content
        how = {"skiprows": len(above.splitlines()), "skip_blank_lines": not single}
        frame = pd.read_csv(io.StringIO(content), sep=separator, dtype=str, keep_default_na=False, **how)
    except pd.errors.EmptyDataError:
        raise InputError(f"'{path.name}' is empty; it needs a line of column names and then a row a text") from None
    except (pd.errors.ParserError, csv.Error) as error:
        raise InputError(f"'{path.name}' is not a well-formed CSV ({_first_line(error)}); mend that line") from None
    if not isinstance(frame.index, pd.RangeIndex):  # pandas made an index of the first cells and shifted the others
        what, mark = f"rows of '{path.name}' have more cells than its first line names", f"{SEPARATORS[separator]}s"
        raise InputError(f"{what}; quote texts that hold {mark}, take off {mark} at the end, or name every column")
    return frame


def _check_separator(content: str, path: Path, separator: str) -> None:
    """InputError for columns that something else is between, whose rows would fail in ways that tell nothing."""
    first, wanted = re.search(r"\S.*|$", content)[0], SEPARATORS[separator]
    for other, called in SEPARATORS.items():
        if other in first and separator not in first:
            what = f"the first line of '{path.name}' has {called}s and no {wanted}"
            instead = " or name it .tsv" if other == "\t" else " or name it .csv" if other == "," else ""
            raise InputError(f"{what}; save it with {wanted}s between columns{instead}")


def _check_quotes(content: str, path: Path, separator: str) -> None:
    """InputError for a cell that begins with a quote whose other one is in the midst of a cell some lines below, as in files
    written without quoting: pandas would make one cell of all between them, and say nothing."""
    before, begun = csv.field_size_limit(2**31 - 1), 0
    lines = csv.reader(io.StringIO(content, newline=""), delimiter=separator, strict=True)
    try:
        while True:
            try:
                begun = lines.line_num + 1
                next(lines)
            except StopIteration:
                return
            except csv.Error as error:
                if "expected after" in str(error) and lines.line_num > begun:  # others are pandas' to tell
                    what = f"lines {begun} to {lines.line_num} of '{path.name}' are one cell by their quotes, which then goes on"
                    raise InputError(f"{what}; put quotes around all of a cell that has some, and double those within") from None
    finally:
        csv.field_size_limit(before)


def _decoded(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte-order mark."""
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix.lower() == ".gz" else content
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise InputError(f"'{path.name}' is damaged, or not compressed by gzip; write or fetch it again") from None
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror}") from None
    if content[:4] == content[-4:] == b"PAR1":
        raise InputError(f"'{path.name}' is a parquet file by its content; rename it to end in .parquet")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(f"'{path.name}' is in UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        where = f"byte {error.start} (line {line}) is 0x{content[error.start]:02x}"
        raise InputError(f"'{path.name}' is not all UTF-8: {where}; save it as UTF-8") from None


def _checked(
    raw: dict[str, pd.DataFrame], name: str, wanting: Sequence[str] = ()
) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """The parts with text and label as str and without empty texts, and notes on what was dropped. In the parts `wanting`,
    labels may be missing, and are '' then."""
    parts, notes = {}, []
    for part, frame in raw.items():
        where = f"'{name}'" if part == "all" else f"the {part} part of '{name}'"
        parts[part], dropped = _clean(frame, where, part in wanting)
        if dropped:
            notes.append(f"{dropped} of {len(frame)} texts of {where} are empty and were dropped.")
    _enough(parts, name)
    return parts, tuple(notes)


def _check_values(frame: pd.DataFrame, where: str) -> None:
    """InputError for no rows, and for columns of what can be no text or no label."""
    if frame.empty:
        raise InputError(f"{where} has 0 rows; it needs a row a text")
    texts = frame["text"]  # with `all` of Python: of categories, `map` makes categories, which have no other
    if not all(isinstance(value, str) for value in texts.dropna()):
        raise InputError(f"the text column of {where} holds {texts.dtype}, not text; name another one")
    if "label" in frame and not all(map(pd.api.types.is_scalar, frame["label"])):
        raise InputError(f"the label column of {where} holds lists, not one label a text; name another one")


def _clean(frame: pd.DataFrame, where: str, wanting: bool = False) -> tuple[pd.DataFrame, int]:
    _check_values(frame, where)
    texts = frame["text"]
    empty = texts.isna() | ~_filled(texts).str.contains(r"\S", regex=True)
    if empty.mean() > MAX_EMPTY:
        what = f"{empty.sum()} of {len(frame)} texts of {where} are empty"
        raise InputError(f"{what}; name another text column, or drop the empty rows")
    labels = _labels(frame["label"])
    if (missing := (labels == "") & ~empty).any() and not wanting:
        first = int(np.flatnonzero(missing)[0]) + 1
        some = f"{missing.sum()} rows of {where} have no label"
        raise InputError(f"{some}, row {first} is the first; label or drop them")
    kept = pd.DataFrame({"text": texts[~empty].astype(str), "label": labels[~empty]})
    return kept.reset_index(drop=True), int(empty.sum())


def _filled(values: pd.Series) -> pd.Series:
    """Values of any type as str, what is missing as ''; `fillna` would have to put a str among integers or categories."""
    return pd.Series(["" if pd.isna(value) else str(value) for value in values], values.index, dtype=str)


def _labels(values: pd.Series) -> pd.Series:
    """Labels as str without the blanks around them, what is missing as ''. Whole numbers are written as such where they are
    floats: pandas makes floats of them where one is missing, and another part of the data set may lack none."""
    present = (value for value in values if not pd.isna(value))
    if all(pd.api.types.is_float(value) and value.is_integer() for value in present):
        values = pd.Series([None if pd.isna(value) else int(value) for value in values], values.index, dtype=object)
    return pd.Series([label.strip() for label in _filled(values)], values.index, dtype=str)


def _enough(parts: dict[str, pd.DataFrame], name: str) -> None:
    labels = pd.concat([frame["label"] for frame in parts.values()])
    labels, texts = labels[labels != ""], len(labels)
    if len(labels) < MIN_ROWS:
        what = "texts" if len(labels) == texts else "texts with a label"
        raise InputError(f"'{name}' has only {len(labels)} {what}; at least {MIN_ROWS} are needed")
    counts = labels.value_counts()
    if len(counts) == 1:
        raise InputError(f"'{name}' has only one class, {_some(list(counts.index))}; at least two are needed")
    if single := sorted(counts.index[counts == 1]):
        raise InputError(f"class {_some(single)} of '{name}' has a single text; add texts or merge the class")
    if "train" in parts and (parts["train"]["label"] == "").all():
        raise InputError(f"no text of the train part of '{name}' has a label; label some of them, of each class a few")


# Writing


def _write(folder: Path, dataset: Dataset, more: dict) -> None:
    """The parts, then `split.json`, whose presence says that all is complete."""
    (folder / "split.json").unlink(missing_ok=True)
    record = {
        "name": dataset.name, "fingerprint": dataset.fingerprint, "seed": SEED, "sizes": dataset.sizes(),
        "notes": dataset.notes, **more,
    }  # fmt: skip
    for part in PARTS:
        with paths.replacing(folder / f"{part}.parquet") as temporary:
            getattr(dataset, part).to_parquet(temporary)
    text = json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    with paths.replacing(folder / "split.json") as temporary:
        temporary.write_text(text, encoding="utf-8")


def _record(folder: Path) -> dict:
    """`split.json`; {} if it is not readable, which makes every comparison with it fail."""
    try:
        return json.loads((folder / "split.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


# Fetching


def _download(entry: Info, folder: Path, progress: bool, again: bool) -> dict[str, Path]:
    """The source's files by name, from the hub or from their addresses; InputError where they cannot be had."""
    try:
        if entry.hub:
            return _from_hub(entry.hub, progress)
        source = paths.writable(folder / "source")
        return {
            name: from_address(url, source / name, progress, again, name in entry.sha256)
            for name, url in entry.files.items()
        }
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            what = f"cannot store '{entry.key}' in '{folder}': {error.strerror}"
            raise InputError(f"{what}; free the disk or choose another") from None
        host = urllib.parse.urlsplit(entry.address if entry.hub else next(iter(entry.files.values()))).netloc
        reason = f"cannot fetch '{entry.key}' from {host} ({_first_line(error)})"
        raise InputError(f"{reason}; connect and try again, or {_what_to_put(entry.key)}") from None


def _from_hub(repository: str, progress: bool) -> dict[str, Path]:
    """The tables of a dataset repository, or else those the hub has converted; whole files are not fetched twice."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    silenced = not progress and not are_progress_bars_disabled()
    if silenced:
        disable_progress_bars()
    try:
        for revision in ("main", "refs/convert/parquet"):
            options = {"repo_type": "dataset", "revision": revision, "allow_patterns": ["*.parquet", "*.jsonl"]}
            root = Path(snapshot_download(repository, **options))
            tables = [path for path in sorted(root.rglob("*")) if path.suffix in (".parquet", ".jsonl")]
            if tables:
                return {path.relative_to(root).as_posix(): path for path in tables}
    finally:
        if silenced:
            enable_progress_bars()
    raise FileNotFoundError(f"no tables in {repository}")


def from_address(address: str, path: Path, progress: bool, again: bool = False, resume: bool = False) -> Path:
    """One file, there only when whole; `resume` where an earlier attempt broke off (for files with a checksum)."""
    if path.is_file() and not again:
        return path
    part = path.with_name(path.name + ".part")
    have = part.stat().st_size if resume and part.is_file() else 0
    request = urllib.request.Request(address, headers={"User-Agent": "cluster-tune"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            resumed = bool(have) and response.status == 206
            _stream(response, part, "ab" if resumed else "wb", have if resumed else 0, progress)
    except urllib.error.HTTPError as error:
        if have and error.code == 416:  # nothing is left to send: the part was whole, or is of another file
            part.unlink()
            return from_address(address, path, progress, again)
        raise
    os.replace(part, path)
    return path


def _stream(response, part: Path, mode: str, have: int, progress: bool) -> None:
    """Copy a response to a file with a progress bar; OSError if it ends early."""
    from tqdm import tqdm

    length = response.headers.get("Content-Length")
    total = have + int(length) if length else None
    silent = None if progress else True  # None: silent where stderr is no terminal
    bar = tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=part.stem, disable=silent)
    with bar, part.open(mode) as stream:
        try:
            while chunk := response.read(1 << 18):
                stream.write(chunk)
                bar.update(len(chunk))
        except http.client.HTTPException as error:  # of a reply that does not say how long it is
            raise ConnectionError(f"{part.stem} broke off ({type(error).__name__})") from None
    if total is not None and part.stat().st_size != total:
        raise ConnectionError(f"{part.stem} broke off at {part.stat().st_size} of {total} bytes")


def _compare(entry: Info, folder: Path, checksums: dict[str, str]) -> None:
    """Refuse source files that differ from the pinned ones or from those of the first fetch."""
    for known, whose in ((entry.sha256, "the published file"), (_record(folder).get("files", {}), "the first fetch")):
        for name in known.keys() & checksums.keys():
            if checksums[name] != known[name]:
                what = f"'{name}' of '{entry.key}' differs from {whose}"
                raise InputError(f"{what}; delete '{folder}' and fetch it anew")


def _read_tables(entry: Info, files: dict[str, Path]) -> dict[str, pd.DataFrame]:
    """The parts of a hub repository, by the words in the files' names; joined where the split is ours to make."""
    frames = {}
    for part in entry.parts:
        found = [path for name, path in sorted(files.items()) if part in re.split(r"[/._-]", name)]
        if not found:
            raise InputError(f"the source of '{entry.key}' has no part '{part}', only {_some(sorted(files))}")
        frames[part] = pd.concat([_mapped(entry, path) for path in found], ignore_index=True)
    return {"all": pd.concat(frames.values(), ignore_index=True)} if entry.whole else frames


def _mapped(entry: Info, path: Path) -> pd.DataFrame:
    """The fields of a source table as `text` and `label`."""
    frame = _read_lines(path) if path.suffix == ".jsonl" else _read_parquet(path)
    if missing := sorted({*entry.text, entry.label} - set(frame.columns)):
        raise InputError(f"the source of '{entry.key}' has no field {_some(missing)}, it has {_some(list(frame), 8)}")
    texts = frame[entry.text[0]].fillna("").str.strip()
    for column in entry.text[1:]:
        texts = (texts + " " + frame[column].fillna("").str.strip()).str.strip()
    labels = frame[entry.label].map(dict(enumerate(entry.labels))) if entry.labels else frame[entry.label]
    return pd.DataFrame({"text": texts, "label": labels})


def _read_lines(path: Path) -> pd.DataFrame:
    """JSON lines of a source, which nobody is to mend."""
    try:
        return _read_jsonl(path)
    except InputError as error:
        raise InputError(f"cannot read '{path}': {str(error).rpartition(';')[0]}; delete it and fetch it again") from None


def _read_newsgroups(entry: Info, files: dict[str, Path]) -> dict[str, pd.DataFrame]:
    """Postings out of the archive, whole: headers, footers and quotes. The folders are part and newsgroup."""
    rows = {"train": [], "test": []}
    try:
        with tarfile.open(next(iter(files.values()))) as archive:
            for member in sorted(filter(tarfile.TarInfo.isfile, archive), key=lambda member: member.name):
                folder, label, _ = member.name.split("/")[-3:]
                rows[folder.rpartition("-")[2]].append((archive.extractfile(member).read().decode("latin-1"), label))
    except (tarfile.TarError, EOFError, KeyError, ValueError) as error:
        raise InputError(f"the archive of '{entry.key}' is damaged ({_first_line(error)}); fetch it again") from None
    return {part: pd.DataFrame(found, columns=["text", "label"]) for part, found in rows.items()}


def _read_isear(entry: Info, files: dict[str, Path]) -> dict[str, pd.DataFrame]:
    """Fields between bars, a line an answer; a stray letter stands where the source once broke its lines."""
    header, *lines = next(iter(files.values())).read_text(encoding="utf-8").splitlines()
    names = header.split("|")
    text, label = names.index(entry.text[0]), names.index(entry.label)
    after = len(names) - text - 1  # fields after the text, which may itself hold a bar
    cells = [line.split("|") for line in lines if line.count("|") >= len(names) - 1]
    texts = [re.sub(r"\s*(?:(?<!\w)á(?!\w)\s*)+|\s+", " ", "|".join(cell[text:-after])).strip() for cell in cells]
    return {"all": pd.DataFrame({"text": texts, "label": [cell[label] for cell in cells]})}


def _read_cfpb(entry: Info, files: dict[str, Path]) -> dict[str, pd.DataFrame]:
    """Complaints with a narrative, under the merged names of products."""
    frame = _read_file(next(iter(files.values())), entry.text[0], entry.label)
    frame = frame[frame["text"].str.strip() != ""].reset_index(drop=True)
    return {"all": frame.assign(label=frame["label"].replace(CFPB_PRODUCTS))}


_READERS = {"20_newsgroups": _read_newsgroups, "isear": _read_isear, "cfpb": _read_cfpb}


def _what_to_put(name: str) -> str:
    parts = "all.parquet" if REGISTRY[name].whole else "train.parquet and test.parquet"
    what = f"put {parts} (or .csv; columns text, label) into"
    if own := paths.own_data():
        return f"{what} {own / name}"
    return f"{what} FOLDER/{name} and set CLUSTER_TUNE_DATA=FOLDER"


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    lines = str(getattr(error, "reason", None) or error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _some(names: list[str], most: int = 3) -> str:
    shown = ", ".join(f"'{_short(str(name))}'" for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _short(name: str) -> str:
    """A name on one line, cut where it is more likely a text that was taken for one."""
    shown = "".join(sign if sign.isprintable() else " " for sign in name[:LONGEST_NAME])
    return shown + "…" * (len(name) > LONGEST_NAME)
