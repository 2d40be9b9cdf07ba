"""The compiled loops of `_loops.c`, as functions of numpy arrays: of sIB and of Hartigan's k-means.

What they compute, and why it is fast and exact, stands there. Here each gets its arrays, with room to work in, or an
error where one has another type, width or order than it reads. They run without the interpreter's lock.
"""

import ctypes
import hashlib
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import numpy as np

_MEND = "install cluster_tune with pip, which compiles them and needs a C compiler"


def _library() -> ctypes.CDLL:
    files = [Path(__file__).with_name(f"_compiled{suffix}") for suffix in EXTENSION_SUFFIXES]
    built = next((file for file in files if file.is_file()), None)
    if built is None:
        raise ImportError(f"the loops of the clusterings are not compiled; {_MEND}")
    library, source = ctypes.CDLL(str(built)), Path(__file__).with_suffix(".c")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16] if source.is_file() else _text(library)
    if digest != _text(library):
        raise ImportError(f"the compiled loops of the clusterings are older than their source; {_MEND}")
    return library


def _text(library: ctypes.CDLL) -> str:
    return (ctypes.c_char * 17).in_dll(library, "sib_digest").value.decode()


_LIBRARY = _library()
LANES, SHIFT = (ctypes.c_int32 * 2).in_dll(_LIBRARY, "sib_sizes")
UNIT = 2.0**-SHIFT  # of p(y|x) and S as integers


def _array(kind, n: int, *more: str):
    return np.ctypeslib.ndpointer(kind, n, flags=("C", "A", *more))


_LONGS, _INTS, _FLOATS, _DOUBLES = (_array(kind, 1) for kind in (np.int64, np.int32, np.float32, np.float64))
_LONG_TABLE, _FLOAT_TABLE, _DOUBLE_TABLE = (_array(kind, 2) for kind in (np.int64, np.float32, np.float64))
_LABELS, _SIZES, _TABLE, _LOGS, _CENTERS = (  # what is written to
    _array(kind, n, "W") for kind, n in ((np.int32, 1), (np.int64, 1), (np.int64, 2), (np.float32, 2), (np.float64, 2)))
_LONG, _DOUBLE, _RESULT = ctypes.c_int64, ctypes.c_double, ctypes.POINTER(ctypes.c_double)


def _loop(name: str, result, *arguments):
    found = getattr(_LIBRARY, name)
    found.restype, found.argtypes = result, arguments
    return found


_L = _loop("sib_L", _DOUBLE, _DOUBLE)
_STEP = _loop("sib_step", _DOUBLE, _LONG)
_TABULATE = _loop("sib_tabulate", None, _LONG, _LONGS, _INTS, _LONGS, _INTS, _LONG, _LONG_TABLE, _LONGS)
_SINGLES = _loop("sib_singles", None, _LONG, _LONGS, _FLOATS, _FLOATS)
_LOGARITHMS = _loop("sib_logarithms", None, _LONG, _LONG, _LONG, _LONG_TABLE, _FLOAT_TABLE)
_INFORMATION = _loop("sib_information", _DOUBLE, _LONG, _LONG, _LONG_TABLE, _LONGS)
_INPUT_INFORMATION = _loop("sib_input_information", _DOUBLE, _LONG, _INTS, _LONGS, _LONG, _LONGS, _LONG)
_EXACT_COST = _loop("sib_exact_cost", _DOUBLE, _LONG, _INTS, _LONGS, _LONG, _LONG, _LONG, _LONG_TABLE, _LONGS, _DOUBLES)
_FAST_COSTS = _loop("sib_fast_costs", None, _LONG, _INTS, _FLOATS, _FLOATS, _LONG, _LONG, _FLOATS, _FLOAT_TABLE, _FLOATS)
_SWEEP = _loop(
    "sib_sweep", _LONG, _LONG, _LONGS, _LONGS, _INTS, _LONGS, _FLOATS, _FLOATS, _LABELS, _LONG, _LONG, _TABLE, _SIZES, _LOGS,
    _DOUBLES, _FLOATS, _FLOATS, _RESULT)  # fmt: skip
_ALL_COSTS = _loop(
    "sib_all_costs", None, _LONG, _LONGS, _INTS, _LONGS, _LONG, _LONG, _LONG_TABLE, _LONGS, _DOUBLE_TABLE, _DOUBLE_TABLE)
_HARTIGAN = _loop(
    "hartigan_sweep", _LONG, _LONG, _LONGS, _LONG, _DOUBLE_TABLE, _LABELS, _LONG, _CENTERS, _SIZES, _RESULT)


def constants(name: str, n: int) -> np.ndarray:
    """The numbers of that name in the C code, (n,) float32."""
    return np.array((ctypes.c_float * n).in_dll(_LIBRARY, f"sib_{name}"))


# ---- sIB. Documents are `indptr` (n + 1) int64, `words` (cells) int32 and `weights` (cells) int64, p(y|x) in fixed
# point; `table` (v, k) int64 is S and `size` (k) int64 is s; `logs` (v, columns) float32 is log S.


def L(z: float) -> float:
    """z log z in bits, zero at zero."""
    return _L(z)


def step(size: int) -> float:
    """L(s + 1) - L(s): what it costs that a cluster of s documents grows by one."""
    return _STEP(size)


def tabulate(indptr, words, weights, labels, k: int, v: int) -> tuple[np.ndarray, np.ndarray]:
    """S and s of a partition; documents without words do not count."""
    table, size = np.zeros((v, k), np.int64), np.zeros(k, np.int64)
    _TABULATE(len(labels), indptr, words, weights, labels, k, table, size)
    return table, size


def singles(weights) -> tuple[np.ndarray, np.ndarray]:
    """log p and p in single precision, (cells) each."""
    log_p, p = np.empty(len(weights), np.float32), np.empty(len(weights), np.float32)
    _SINGLES(len(weights), weights, log_p, p)
    return log_p, p


def logarithms(table) -> np.ndarray:
    """log S in single precision, (v, columns), the columns filled up with zeros to a multiple of `LANES`."""
    v, k = table.shape
    logs = np.zeros((v, -(-k // LANES) * LANES), np.float32)
    _LOGARITHMS(v, k, logs.shape[1], table, logs)
    return logs


def information(table, size) -> float:
    """I(T;Y) in bits of the joint distribution in the table."""
    return _INFORMATION(*table.shape, table, size)


def input_information(words, weights, v: int, n: int) -> float:
    """I(X;Y) in bits of n documents with words, each weighing the same."""
    return _INPUT_INFORMATION(len(weights), words, weights, v, np.zeros(v, np.int64), n)


def exact_cost(words, weights, t: int, own: int, table, size) -> float:
    """n d(x,t) of one document of cluster `own`, drawn out of it, but for what is the same for all t."""
    return _EXACT_COST(len(words), words, weights, t, own, table.shape[1], table, size, np.empty(len(words)))


def fast_costs(words, log_p, p, own: int, steps, logs) -> np.ndarray:
    """The same for every t in single precision, (columns); `steps` (columns) is what each cluster's growth costs."""
    costs = np.empty_like(steps)
    _FAST_COSTS(len(words), words, log_p, p, own, len(steps), steps, logs, costs)
    return costs


def sweep(indptr, words, weights, log_p, p, order, labels, table, size, logs) -> tuple[int, float]:
    """One pass over the documents of `order`: how many moved and by how much n I(T;Y) grew.

    Of equal costs the old cluster wins, then the lowest number. Labels and tables are changed in place.
    """
    order, columns, grown = np.asarray(order, np.int64), logs.shape[1], ctypes.c_double()  # numpy's own is shorter on Windows
    room = np.empty(np.diff(indptr).max()), np.empty(columns, np.float32), np.empty(columns, np.float32)
    moved = _SWEEP(len(order), order, indptr, words, weights, log_p, p, labels, len(size), columns, table, size, logs,
                   *room, grown)  # fmt: skip
    return moved, grown.value


def all_costs(indptr, words, weights, table, size) -> np.ndarray:
    """n d(x,t) of every document, as one more beside the n in the table: (m, k), zeros for one without words."""
    costs = np.zeros((len(indptr) - 1, len(size)))
    _ALL_COSTS(len(costs), indptr, words, weights, *table.shape, table, size, np.empty(table.shape), costs)
    return costs


# ---- Hartigan's k-means


def hartigan_sweep(points, order, labels, centers, sizes) -> tuple[int, float]:
    """One pass over the points of `order`: how many moved and by how much the inertia fell.

    `points` (n, d) and `centers` (k, d) float64, `labels` (n) int32, `sizes` (k) int64. Of equal costs the old cluster
    wins, then the lowest number. Labels, centres and sizes are changed in place.
    """
    order, fallen = np.asarray(order, np.int64), ctypes.c_double()
    moved = _HARTIGAN(len(order), order, points.shape[1], points, labels, len(sizes), centers, sizes, fallen)
    return moved, fallen.value
