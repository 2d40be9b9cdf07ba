"""GloVe vectors (Pennington et al. 2014): find the file, read the words that are needed, average them over a text.

Any file in Stanford's text format will do, a word and its numbers a row, plain or as .gz or .zip. Words are looked up
as `text.tokens` gives them, unstemmed: fewer stems are words (`coverage` counts). Left out: other formats, phrases and
weights of words.
"""

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from cluster_tune import datasets, paths
from cluster_tune.errors import InputError

ADDRESS = "https://nlp.stanford.edu/data/glove.6B.zip"  # 822 MB: 400,000 words in 50, 100, 200 and 300 dimensions
SHA256 = "617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb"
PUBLISHED = "glove.6B.50d"  # the vectors behind the published pages
SUFFIXES = (".txt", ".gz", ".zip")


@dataclass(frozen=True)
class File:
    """A file of vectors: where it is, the member if it is a .zip, and its name without suffixes."""

    path: Path
    member: str = ""

    @property
    def name(self) -> str:
        return re.sub(r"\.(txt|gz|zip)\b", "", Path(self.member or self.path).name)

    @property
    def order(self) -> tuple:
        """What is taken first: a name with GloVe in it, then the most dimensions."""
        width = re.search(r"(\d+)d\b", self.name)
        return "glove" not in self.name.lower(), -int(width[1] if width else 0), self.name


@dataclass(frozen=True, eq=False)
class Vectors:
    """Vectors of some words: `rows` maps a word to its row of `matrix` (words, d) float32; `size` is the number of
    words that the file of that `name` has."""

    name: str
    rows: dict[str, int]
    matrix: np.ndarray
    size: int


def find(optional: bool = False) -> File:
    """The file to use at `paths.glove()`: where there are several, that of the most dimensions. InputError if there is
    none, which says how to do without where that is `optional`."""
    if not (files := _files()):
        without = ", or leave out what needs them with --without-glove (on a page: -p glove=false)" if optional else ""
        how = f"`cluster-tune data glove` fetches them, or {_what_to_put()}{without}"
        raise InputError(f"GloVe vectors are not here; {how}")
    return min(files, key=lambda file: file.order)


def here() -> bool:
    """Whether there are any vectors."""
    return bool(_files())


def other() -> str:
    """The name of the vectors at hand, unless it is that behind the published pages; '' too if there are none. What
    decides an outcome beside the published vectors must be told apart from what came of these."""
    name = find().name if _files() else PUBLISHED
    return "" if name == PUBLISHED else name


def _files() -> list[File]:
    place = paths.glove()
    found = [place] if place.is_file() else sorted(place.glob("*")) if place.is_dir() else []
    return [file for path in found if path.suffix in SUFFIXES for file in _within(path)]


def _what_to_put() -> str:
    return f"put a file such as glove.6B.300d.txt (or .gz, .zip) into '{paths.glove()}'"


def _within(path: Path) -> list[File]:
    if path.suffix != ".zip":
        return [File(path)]
    with _damage_told(path), zipfile.ZipFile(path) as archive:
        return [File(path, name) for name in archive.namelist() if name.endswith(".txt")]


def read(words: Iterable[str], file: File | None = None) -> Vectors:
    """The vectors of those of `words` that the file has; InputError if it has none, or for a row that is not whole.

    The numbers of words that are not asked for are counted but not read.
    """
    file, wanted, rows, numbers, size = file or find(), set(words), {}, [], 0
    with _damage_told(file.path), _opened(file) as stream:
        for number, word, rest in _whole_rows(stream, file):
            size += 1
            if word in wanted and word not in rows:
                rows[word] = len(rows)
                numbers.append(_numbers(rest, number, file))
    if not rows:
        what = f"none of the {len(wanted):,} words of the texts is in '{file.path.name}'"
        raise InputError(f"{what}; give vectors of the texts' language")
    return Vectors(file.name, rows, np.array(numbers), size)


def _whole_rows(stream: Iterable[str], file: File) -> Iterator[tuple[int, str, str]]:
    """Number, word and the rest of each row; InputError for one whose numbers are not as many as in the first row."""
    width = None
    for number, line in enumerate(stream, 1):
        word, _, rest = line.rstrip().partition(" ")
        fields = rest.count(" ") + 1 if rest else 0
        if number == 1 and fields == 1 and (word + rest).isdigit():
            continue  # a first line of two counts, as other programs write it
        if width is None:
            width = fields
        if fields > width and not all(map(_is_number, rest.split(" ")[: fields - width])):
            continue  # a word with blanks in it, which no token of ours is
        if fields != width or not width:
            what = f"row {number} of '{file.path.name}' has {fields} numbers, not {width or 'any'}"
            raise InputError(f"{what}; the file is damaged, get it again")
        yield number, word, rest
    if width is None:
        raise InputError(f"'{file.path.name}' has no rows; get it again")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(rest: str, number: int, file: File) -> np.ndarray:
    try:
        values = np.array(rest.split(" "), dtype=np.float32)
    except ValueError:
        values = np.array([np.nan])
    if not np.isfinite(values).all():
        what = f"row {number} of '{file.path.name}' holds something else than numbers"
        raise InputError(f"{what}; the file is damaged, get it again")
    return values


@contextmanager
def _opened(file: File) -> Iterator[Iterable[str]]:
    """The lines of a file, wherever it is packed. A byte that is not UTF-8 spoils its word alone."""
    with ExitStack() as held:
        if file.member:
            archive = held.enter_context(zipfile.ZipFile(file.path))
            stream = held.enter_context(archive.open(file.member))
        elif file.path.suffix == ".gz":
            stream = held.enter_context(gzip.open(file.path))
        else:
            stream = held.enter_context(file.path.open("rb"))
        yield io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="\n")


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """One line for whatever a file that is broken off or no archive at all raises."""
    try:
        yield
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read '{path}' ({reason}); get it again") from None


def average(tokens: Sequence[Sequence[str]], vectors: Vectors) -> np.ndarray:
    """The mean vector of each text's tokens, (texts, d); tokens without a vector do not count.

    A text with none that has one is all zeros.
    """
    found = [[vectors.rows[word] for word in words if word in vectors.rows] for words in tokens]
    lengths = np.fromiter(map(len, found), dtype=np.int64, count=len(found))
    columns = np.fromiter((row for rows in found for row in rows), dtype=np.int64, count=lengths.sum())
    shares = np.repeat(1 / np.maximum(lengths, 1), lengths)
    indptr = np.append(0, lengths.cumsum())
    shape = (len(found), len(vectors.matrix))
    return csr_matrix((shares, columns, indptr), shape=shape) @ vectors.matrix.astype(np.float64)


def coverage(tokens: Sequence[Sequence[str]], vectors: Vectors) -> dict[str, float]:
    """How far the vectors reach: tokens, the share of them with a vector, texts, and how many have no such token."""
    hits = [sum(word in vectors.rows for word in words) for words in tokens]
    count = sum(map(len, tokens))
    return {"tokens": count, "covered": sum(hits) / max(count, 1), "texts": len(hits), "without": hits.count(0)}


def fetch(progress: bool = True) -> File:
    """The vectors at `paths.glove()`; if there are none, they are fetched from Stanford first."""
    if not _files():
        _download(paths.writable(paths.glove()) / Path(ADDRESS).name, progress)
    return find()


def _download(target: Path, progress: bool) -> None:
    try:
        datasets.from_address(ADDRESS, target, progress, resume=True)
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or error
        what = f"connect and try again, or {_what_to_put()}"
        raise InputError(f"cannot fetch GloVe from {ADDRESS} ({reason}); {what}") from None
    if datasets.sha256(target) != SHA256:
        target.unlink()
        raise InputError(f"what came from {ADDRESS} is not the published file; try again, or {_what_to_put()}")
