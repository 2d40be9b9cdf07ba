"""The compiled loops of sIB: one pass over the documents, the costs of new ones, the information in a table.

Only arrays come in and go out; random numbers, checks and stopping are in `clustering`. All logarithms are to base 2,
and L(z) stands for z log z, zero at zero. S[y,t] is the sum of p(y|x) over the members of cluster t and s[t] is their
number. To put x, so far in no cluster, into t costs

    n d(x,t) = L(s[t] + 1) - L(s[t]) - sum over the words y of x of  L(S[y,t] + p(y|x)) - L(S[y,t]) - L(p(y|x)),

so that only the document's own words matter. The last addend is the same for every t and is left out where only the
least cost is asked for.

What makes it fast: S lies word by word, so that a document reads a few short rows; the costs of all clusters are
computed in single precision, with L(S) stored beside S. What keeps it exact: where single precision leaves in doubt
which cost is least, the candidates are computed again in double precision, from S in fixed point.

All of this is in one file because the compiler keeps its results by the file's date.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

SHIFT = 40  # binary places of p(y|x) and S as integers: sums are exact, and a cell is zero just where no member has y
UNIT = 2.0**-SHIFT
LANES = 16  # clusters taken at a time: one AVX-512 register, and where there are only shorter ones, several

# log2(1 + f) / f for 1 + f between the roots of 1/2 and 2, lowest power first, off by at most 3.1e-7: least squares,
# reweighted until the errors were even.
_SERIES = (1.44269967, -0.72137588, 0.4804649, -0.35896206, 0.29726309, -0.2726965, 0.17063127)
_ROOT_SINGLE = 0x3F3504F3  # the bits of the root of 1/2
_ROOT_DOUBLE = 0x3FE6A09E667F3BCD
_FAST = ("contract", "nnan", "ninf", "nsz")


def compiled(**options):
    """Compile without the interpreter's lock, and keep the result on disk where there is a place to keep it."""

    def compile(function):
        try:
            return numba.njit(nogil=True, error_model="numpy", cache=True, **options)(function)
        except RuntimeError:  # neither the package's folder nor the user's can be written to
            return numba.njit(nogil=True, error_model="numpy", **options)(function)

    return compile


@intrinsic
def _bits(context, z):
    """The bits of a double as an integer."""
    return types.int64(types.float64), lambda context, builder, sig, args: builder.bitcast(args[0], ir.IntType(64))


@intrinsic
def _double(context, bits):
    """The double of these bits."""
    return types.float64(types.int64), lambda context, builder, sig, args: builder.bitcast(args[0], ir.DoubleType())


@compiled()
def log2(z):
    """The logarithm to base 2 of z > 0; some finite number for z = 0, so that z * log2(z) is right there too."""
    above = _bits(z) - _ROOT_DOUBLE
    exponent = above >> 52
    m = _double(_bits(z) - (exponent << 52))
    q = (m - 1) / (m + 1)
    w = q * q
    series = 1 / 13 + w * (1 / 15 + w * (1 / 17 + w * (1 / 19 + w * (1 / 21))))
    series = 1 + w * (1 / 3 + w * (1 / 5 + w * (1 / 7 + w * (1 / 9 + w * (1 / 11 + w * series)))))
    return exponent + 2.8853900817779268 * q * series  # 2 / ln 2


def _log2_single(builder, z, shape=lambda kind: kind, fill=lambda number: number):
    """Emit the logarithm of a single-precision z; `shape` and `fill` make vectors of types and constants."""
    integer, single = shape(ir.IntType(32)), shape(ir.FloatType())

    def constant(kind, number):
        return ir.Constant(kind, fill(number))

    bits = builder.bitcast(z, integer)
    above = builder.sub(bits, constant(integer, _ROOT_SINGLE))
    whole = builder.and_(above, constant(integer, -(1 << 23)))
    f = builder.fadd(builder.bitcast(builder.sub(bits, whole), single), constant(single, -1.0))
    series = constant(single, _SERIES[-1])
    for c in _SERIES[-2::-1]:
        series = builder.fadd(builder.fmul(series, f, _FAST), constant(single, c), _FAST)
    exponent = builder.sitofp(builder.ashr(above, constant(integer, 23)), single)
    return builder.fadd(builder.fmul(series, f, _FAST), exponent, _FAST)


@intrinsic
def log2_single(context, z):
    """`log2` in single precision."""
    return types.float32(types.float32), lambda context, builder, sig, args: _log2_single(builder, args[0])


@intrinsic
def add_costs(context, costs, at, sums, where, p):
    """costs[at + i] += L - (S + p) log2(S + p) for i < LANES, S = sums[where + i], L = sums[where + len(costs) + i].

    `costs` and `sums` are contiguous float32 arrays of one dimension, `p` is a float32.
    """

    def emit(context, builder, sig, args):
        lanes = ir.VectorType(ir.FloatType(), LANES)

        def pointer(k, offset):
            data = context.make_array(sig.args[k])(context, builder, args[k]).data
            return builder.bitcast(builder.gep(data, [offset]), lanes.as_pointer())

        def fill(number):
            return [number] * LANES

        width = context.make_array(sig.args[0])(context, builder, args[0]).nitems
        undefined = ir.Constant(lanes, ir.Undefined)
        first = builder.insert_element(undefined, args[4], ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), fill(0))
        z = builder.fadd(
            builder.load(pointer(2, args[3]), align=4), builder.shuffle_vector(first, undefined, zeros)
        )
        known = builder.load(pointer(2, builder.add(args[3], width)), align=4)
        product = builder.fmul(z, _log2_single(builder, z, lambda kind: ir.VectorType(kind, LANES), fill), _FAST)
        here = pointer(0, args[1])
        cost = builder.fadd(builder.load(here, align=4), known, _FAST)
        builder.store(builder.fsub(cost, product, _FAST), here, align=4)
        return context.get_dummy_value()

    return types.void(costs, types.intp, sums, types.intp, types.float32), emit


@compiled()
def L(z):
    """z log z, zero at zero."""
    return z * log2(z)


@compiled()
def tabulate(indptr, indices, weights, labels, k, v):
    """S (v, k) in fixed point and s (k,), from nothing; documents without words do not count."""
    table, size = np.zeros((v, k), np.int64), np.zeros(k, np.int64)
    for x in range(len(labels)):
        size[labels[x]] += indptr[x] < indptr[x + 1]
        for j in range(indptr[x], indptr[x + 1]):
            table[indices[j], labels[x]] += weights[j]
    return table, size


@compiled()
def error(s):
    """More than single precision can be off by, for one word in a cluster where S = s, in `fast_costs`.

    Series and rounding of the logarithms, relative to (s + p) log (s + p); and rounding of two sums, which stay below
    64 but for the addend itself.
    """
    return np.float32((s + 1) * (log2(s + 1) + 2) * 2.0**-20 + 2.0**-17)


@compiled()
def single(table):
    """S and L(S) in single precision, (v, 2, columns), the columns filled up with zeros to a multiple of `LANES`; and
    each row's largest S so far and the error at it, (v, 2)."""
    v, k = table.shape
    fast = np.zeros((v, 2, (k + LANES - 1) // LANES * LANES), np.float32)
    peaks = np.full((v, 2), -1, np.float32)
    for y in range(v):
        for t in range(k):
            write(fast, peaks, y, t, table[y, t])
    return fast, peaks


@compiled()
def write(fast, peaks, y, t, fixed):
    """Set one cell of the tables of `single`."""
    s = np.float32(fixed * UNIT)
    fast[y, 0, t], fast[y, 1, t] = s, s * log2_single(s)
    if s > peaks[y, 0]:
        peaks[y, 0], peaks[y, 1] = s, error(s)


@compiled(fastmath={"contract", "reassoc", "nsz"})
def information(table, size):
    """I(T;Y) in bits of the joint distribution in the table."""
    cells, words, clusters, n = 0.0, 0.0, 0.0, 0
    for y in range(len(table)):
        whole = 0
        for t in range(len(size)):
            cells += L(table[y, t] * UNIT)
            whole += table[y, t]
        words += L(whole * UNIT)
    for t in range(len(size)):
        clusters += L(float(size[t]))
        n += size[t]
    return (cells - words - clusters + L(float(n))) / n


@compiled()
def step(size):
    """L(s + 1) - L(s): what it costs that a cluster of s documents grows by one."""
    return L(size + 1.0) - L(size + 0.0)


@compiled(fastmath={"contract", "reassoc", "nsz"})
def exact_cost(words, weights, t, own, table, size, before, after):
    """The cost of putting a document, drawn out of its cluster `own`, into t, but for what is the same for all t.

    `before` and `after` are room for as many doubles as the document has words.
    """
    back = t == own
    for j in range(len(words)):
        s = table[words[j], t] - back * weights[j]
        before[j], after[j] = s * UNIT, (s + weights[j]) * UNIT
    gain = 0.0
    for j in range(len(words)):
        gain += L(after[j]) - L(before[j])
    return step(size[t] - back) - gain


@compiled()
def put(words, weights, t, table, size, fast, peaks, sign):
    """Add a document to cluster t, or with sign -1 draw it out."""
    size[t] += sign
    for j in range(len(words)):
        table[words[j], t] += sign * weights[j]
        write(fast, peaks, words[j], t, table[words[j], t])


@compiled(fastmath={"contract", "reassoc", "nsz"})
def fast_costs(words, p, own, steps, fast, peaks, costs):
    """`exact_cost` of every cluster in single precision, while the document still is in its cluster `own`.

    `steps` (columns,) has each cluster's step, at `own` with the document drawn out; `costs` (columns,) is filled.
    Returns how far off two costs can be from each other.
    """
    columns, flat = len(costs), fast.reshape(-1)
    inside, doubt = np.float32(0), np.float32(0)
    costs[:] = steps
    for j in range(len(words)):
        row = np.int64(words[j]) * (2 * columns)
        for at in range(0, columns, LANES):
            add_costs(costs, at, flat, row + at, p[j])
        s = max(flat[row + own] - p[j], np.float32(0))
        inside += s * log2_single(s) - flat[row + columns + own]
        doubt += peaks[words[j], 1]
    costs[own] = steps[own] + inside
    return 2 * doubt


@compiled(fastmath={"nnan", "nsz"})
def others(costs, own, doubt):
    """How many clusters besides `own` may have the least cost, and the limit below which they are."""
    limit = costs[0]
    for t in range(len(costs)):
        limit = min(limit, costs[t])
    limit += doubt
    count = 0
    for t in range(len(costs)):
        count += costs[t] <= limit
    return count - (costs[own] <= limit), limit


@compiled()
def choose(words, weights, own, table, size, costs, limit, before, after):
    """The cluster of least exact cost among `own` and those up to the limit, and how much less than `own`'s it is.

    Of equal costs that of `own` wins, then that of the lowest number.
    """
    best, stay = own, exact_cost(words, weights, own, own, table, size, before, after)
    least = stay
    for t in range(len(size)):
        if costs[t] <= limit and t != own:
            cost = exact_cost(words, weights, t, own, table, size, before, after)
            if cost < least:
                best, least = t, cost
    return best, stay - least


@compiled()
def sweep(indptr, indices, weights, order, labels, table, size, fast, peaks):
    """One pass: draw each document out of its cluster and put it where it costs least.

    Returns how many documents moved and by how much n I(T;Y) grew; labels and tables are changed in place.
    """
    p, longest = (weights * UNIT).astype(np.float32), np.diff(indptr).max()
    before, after = np.empty(longest), np.empty(longest)
    steps = np.full(fast.shape[2], np.inf, np.float32)  # infinite in the columns that are no cluster
    costs = np.empty_like(steps)
    for t in range(len(size)):
        steps[t] = step(size[t])
    moved, grown = 0, 0.0
    for x in order:
        here, own = slice(indptr[x], indptr[x + 1]), np.int64(labels[x])
        words, w = indices[here], weights[here]
        if len(words) == 0:
            continue
        steps[own] = step(size[own] - 1)
        doubt = fast_costs(words, p[here], own, steps, fast, peaks, costs)
        count, limit = others(costs, own, doubt)
        if count:
            best, gain = choose(words, w, own, table, size, costs, limit, before, after)
            if best != own:
                put(words, w, own, table, size, fast, peaks, -1)
                put(words, w, best, table, size, fast, peaks, 1)
                labels[x], moved, grown = best, moved + 1, grown + gain
                steps[best] = step(size[best])
        steps[own] = step(size[own])
    return moved, grown


@compiled(fastmath={"contract", "reassoc", "nsz"})
def all_costs(indptr, indices, weights, table, size, costs):
    """Write n d(x,t) of every document with words, as one more beside the n in the table: (m, k)."""
    v, k = table.shape
    s = table * UNIT
    known = np.empty((v, k))
    for y in range(v):
        for t in range(k):
            known[y, t] = L(s[y, t])
    for x in range(len(indptr) - 1):
        for t in range(k if indptr[x] < indptr[x + 1] else 0):
            costs[x, t] = step(size[t])
        for j in range(indptr[x], indptr[x + 1]):
            y, p = indices[j], weights[j] * UNIT
            alone = L(p)
            for t in range(k):
                costs[x, t] += alone + known[y, t] - L(s[y, t] + p)
