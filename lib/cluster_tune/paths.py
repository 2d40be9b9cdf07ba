"""Where things lie: the root of the checkout and the folders under it.

One environment variable overrides each. `CLUSTER_TUNE_DATA` is different in kind: it names a folder of the user's
own that already holds data sets, which is only ever read. Nothing here creates a folder.
"""

import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster_tune.errors import CannotWrite, InputError


def root() -> Path:
    """The checkout: `CLUSTER_TUNE_ROOT`, else the nearest folder at or above here with a `_toc.yml`, else the
    checkout this package was installed from in editable mode, else the current folder."""
    if given := os.environ.get("CLUSTER_TUNE_ROOT"):
        return Path(given).resolve()
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[2]):
        if (folder / "_toc.yml").is_file():
            return folder
    return here


def _folder(variable: str, default: str) -> Path:
    given = os.environ.get(variable)
    return Path(given).resolve() if given else root() / default


def own_data() -> Path | None:
    """The user's own folder of data sets, `CLUSTER_TUNE_DATA`; None if unset. Read, never written."""
    given = os.environ.get("CLUSTER_TUNE_DATA")
    return Path(given).resolve() if given else None


def data() -> Path:
    """Prepared splits and caches: `CLUSTER_TUNE_CACHE`, else `data/`."""
    return _folder("CLUSTER_TUNE_CACHE", "data")


def glove() -> Path:
    """GloVe vectors, a folder or one file: `CLUSTER_TUNE_GLOVE`, else `data/glove/`. Written only by a fetch."""
    return _folder("CLUSTER_TUNE_GLOVE", "data/glove")


def models() -> Path:
    """Inter-trained models: `CLUSTER_TUNE_MODELS`, else `models/`."""
    return _folder("CLUSTER_TUNE_MODELS", "models")


def results() -> Path:
    """Records and tables: `CLUSTER_TUNE_RESULTS`, else `results/`."""
    return _folder("CLUSTER_TUNE_RESULTS", "results")


def logs() -> Path:
    """Logs of long computations: `CLUSTER_TUNE_LOGS`, else `logs/`."""
    return _folder("CLUSTER_TUNE_LOGS", "logs")


def book() -> Path:
    """Chapters and executed pages: `CLUSTER_TUNE_BOOK`, else `book/`."""
    return _folder("CLUSTER_TUNE_BOOK", "book")


def shown(file: Path) -> str:
    """A file's name as anyone may see it: from the checkout on, or else without its folders."""
    file = file.resolve()
    return file.relative_to(root()).as_posix() if file.is_relative_to(root()) else file.name


def writable(folder: Path) -> Path:
    """Make `folder` and return it; InputError if it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"cannot write to '{folder}': {error.strerror}; choose another folder or free it") from None
    if not os.access(folder, os.W_OK):
        raise CannotWrite(f"cannot write to '{folder}': permission denied; choose another folder or free it")
    return folder


def spare(source: str | Path, folder: Path, names: Iterable[str]) -> None:
    """InputError if a file to be written into `folder` under one of `names` is the one that is read."""
    if any((folder / name).resolve() == Path(source).resolve() for name in names):
        raise InputError(f"'{source}' would be written over; choose another --out, or rename the file")


def settings(name: str) -> dict:
    """What a YAML file of the checkout sets, {} where it is empty or not there; InputError for what sets nothing by name."""
    import yaml

    file = root() / name
    try:
        found = yaml.safe_load(file.read_text("utf-8")) if file.is_file() else {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a ValueError is no UTF-8, or a 31 April
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1} of '{file}'" if mark else f"'{file}'"
        raise InputError(f"{where} is not YAML; mend it, or restore the file from the repository") from None
    if not isinstance(found or {}, dict):
        raise InputError(f"'{file}' has no lines of the form 'name: value'; restore it from the repository")
    return found or {}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to. It takes the place of `path` in the end, flushed to disk, so that a
    file is there whole or not at all; InputError if that fails, and `path` is as it was."""
    # Not the process alone: several machines may share the folder, and their processes have the same numbers.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        why = error.strerror or error
        raise CannotWrite(
            f"cannot write '{path}': {why}; what was there is kept, make room and run the same command again"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
