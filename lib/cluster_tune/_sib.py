"""The compiled loops of sIB: one pass over the documents, the costs of new ones, the information in a table.

Only arrays come in and go out; random numbers, checks and stopping are in `clustering`. All logarithms are to base 2,
and L(z) stands for z log z, zero at zero. S[y,t] is the sum of p(y|x) over the members of cluster t and s[t] is their
number. To put x, so far in no cluster, into t costs

    n d(x,t) = L(s[t] + 1) - L(s[t]) - sum over the words y of x of  L(S[y,t] + p(y|x)) - L(S[y,t]) - L(p(y|x)),

so that only the document's own words matter. With p = p(y|x) and d = log(S[y,t] / p), a word's addend is p F(d) with

    F(d) = (1 + u) log(1 + u) - u log u,  u = 2^d:  zero for a word that the cluster does not have, d + log e for one
    it has much of, and a smooth bend between.

What makes it fast: a table of log S lies word by word, so that a document reads a few short rows; and F is taken by a
polynomial in single precision for all clusters at once, so that no logarithm is needed at all. The p of a document
sum to one, so that a cost is off by no more than F is, `BEND_ERROR`.
What keeps it exact: the clusters that this leaves in doubt, few, are computed again in double precision, from sums in
fixed point.

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

# F(d) is within BEND_ERROR of BEND(c) + d - c with c = d put between LOW and HIGH (least maximum error by linear
# programming; lowest power first).
BEND = (2.01042843, 0.67833894, 0.06206079, -0.00214046, -0.0003987)
LOW, HIGH = -8.0, 4.5
BEND_ERROR = 0.01846
# In the cluster that has x, with e = log(S / p), the addend with x drawn out is p F(log(2^e - 1)). That F is within
# BEND_ERROR of OWN(c) + e - c with c = e up to OWN_HIGH; OWN is a polynomial and, last, the factor of a root.
OWN = (-0.01651765, 1.57797289, -0.3932648, 0.089936, -0.00733217, 0.7620997)
OWN_HIGH = np.float32(4.5)
# One word adds less than this to the error of a cost: sums stay below 64, single precision has 24 places.
WORD_ERROR = 2.0**-16

# log2(1 + f) / f for 1 + f between the roots of 1/2 and 2, lowest power first, off by at most 3.1e-7: least squares,
# reweighted until the errors were even.
_SERIES = (1.44269967, -0.72137588, 0.4804649, -0.35896206, 0.29726309, -0.2726965, 0.17063127)
_ROOT_SINGLE = 0x3F3504F3  # the bits of the root of 1/2
_ROOT_DOUBLE = 0x3FE6A09E667F3BCD
FIRST = np.float32(BEND[0])
OWN0, OWN1, OWN2, OWN3, OWN4, OWN_ROOT = (np.float32(c) for c in (OWN[0], OWN[1] - 1, *OWN[2:]))
C0, C1, C2, C3, C4, C5, C6 = (np.float32(c) for c in _SERIES)
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


@intrinsic
def _bits_single(context, z):
    """The bits of a float as an integer."""
    return types.int32(types.float32), lambda context, builder, sig, args: builder.bitcast(args[0], ir.IntType(32))


@intrinsic
def _single(context, bits):
    """The float of these bits."""
    return types.float32(types.int32), lambda context, builder, sig, args: builder.bitcast(args[0], ir.FloatType())


@compiled()
def log2_single(z):
    """`log2` in single precision, about -127 for z = 0."""
    bits = _bits_single(z)
    exponent = np.int32(bits - _ROOT_SINGLE) >> 23
    f = _single(np.int32(bits - (exponent << 23))) - np.float32(1)
    series = C6
    for c in (C5, C4, C3, C2, C1, C0):
        series = series * f + c
    return np.float32(exponent) + f * series


@intrinsic
def subtract_gains(context, costs, at, logs, where, log_p, p):
    """costs[at + i] -= p F(logs[where + i] - log_p) for i < LANES, with F as by `BEND`, less its first coefficient.

    `costs` and `logs` are contiguous float32 arrays of one dimension, `log_p` and `p` are float32.
    """

    def emit(context, builder, sig, args):
        lanes = ir.VectorType(ir.FloatType(), LANES)

        def pointer(k, offset):
            data = context.make_array(sig.args[k])(context, builder, args[k]).data
            return builder.bitcast(builder.gep(data, [offset]), lanes.as_pointer())

        def constant(number):
            return ir.Constant(lanes, [number] * LANES)

        def spread(number):
            undefined = ir.Constant(lanes, ir.Undefined)
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
            first = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
            return builder.shuffle_vector(first, undefined, zeros)

        def choose(how, a, b):
            return builder.select(builder.fcmp_ordered(how, a, b, _FAST), a, b)

        d = builder.fsub(builder.load(pointer(2, args[3]), align=4), spread(args[4]), _FAST)
        d = choose(">", d, constant(LOW))
        c = choose("<", d, constant(HIGH))
        gain = constant(BEND[-1])
        for coefficient in (*BEND[-2:1:-1], BEND[1] - 1):
            gain = builder.fadd(builder.fmul(gain, c, _FAST), constant(coefficient), _FAST)
        gain = builder.fadd(builder.fmul(gain, c, _FAST), d, _FAST)
        here = pointer(0, args[1])
        product = builder.fmul(gain, spread(args[5]), _FAST)
        builder.store(builder.fsub(builder.load(here, align=4), product, _FAST), here, align=4)
        return context.get_dummy_value()

    return types.void(costs, types.intp, logs, types.intp, types.float32, types.float32), emit


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
def singles(weights):
    """log p and p in single precision."""
    p = (weights * UNIT).astype(np.float32)
    log_p = np.empty_like(p)
    for j in range(len(p)):
        log_p[j] = log2_single(p[j])
    return log_p, p


@compiled()
def logarithms(table):
    """log S in single precision, (v, columns), the columns filled up to a multiple of `LANES`."""
    v, k = table.shape
    logs = np.zeros((v, (k + LANES - 1) // LANES * LANES), np.float32)
    for y in range(v):
        for t in range(k):
            logs[y, t] = log2_single(np.float32(table[y, t] * UNIT))
    return logs


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


@compiled(fastmath={"contract", "reassoc", "nsz"})
def input_information(indices, weights, v, n):
    """I(X;Y) in bits of n documents with words, each weighing the same."""
    totals, cells, words = np.zeros(v, np.int64), 0.0, 0.0
    for j in range(len(weights)):
        totals[indices[j]] += weights[j]
        cells += L(weights[j] * UNIT)
    for y in range(v):
        words += L(totals[y] * UNIT)
    return (cells - words) / n + log2(float(n))


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
def put(words, weights, t, table, size, logs, sign):
    """Add a document to cluster t, or with sign -1 draw it out."""
    size[t] += sign
    for j in range(len(words)):
        table[words[j], t] += sign * weights[j]
        logs[words[j], t] = log2_single(np.float32(table[words[j], t] * UNIT))


@compiled(fastmath={"contract", "reassoc", "nsz"})
def own_gain(words, log_p, p, own, logs):
    """The sum of p F over a document's words for its own cluster with itself drawn out, F as by `OWN`."""
    gain = np.float32(0)
    for j in range(len(words)):
        e = max(logs[words[j], own] - log_p[j], np.float32(0))
        c = min(e, OWN_HIGH)
        gain += p[j] * (e + OWN_ROOT * np.sqrt(c) + OWN0 + c * (OWN1 + c * (OWN2 + c * (OWN3 + c * OWN4))))
    return gain


@compiled(fastmath={"contract", "reassoc", "nsz"})
def fast_costs(words, log_p, p, own, steps, logs, costs):
    """n d(x,t) for every cluster t in single precision, but for what is the same for all t, x still being in `own`.

    `steps` (columns,) has each cluster's step, at `own` with the document drawn out; `costs` (columns,) is filled.
    They are right to `BEND_ERROR`, and `WORD_ERROR` for each word.
    """
    columns, flat = len(costs), logs.reshape(-1)
    costs[:] = steps
    for j in range(len(words)):
        row = np.int64(words[j]) * columns
        for at in range(0, columns, LANES):
            subtract_gains(costs, at, flat, row + at, log_p[j], p[j])
    costs -= FIRST
    costs[own] = steps[own] - own_gain(words, log_p, p, own, logs)


@compiled(fastmath={"nnan", "nsz"})
def rival(costs, own):
    """The least cost but for that of `own`, which it makes infinite."""
    costs[own] = np.inf
    least = costs[0]
    for t in range(len(costs)):
        least = min(least, costs[t])
    return least


@compiled()
def choose(words, weights, own, table, size, costs, limit, before, after):
    """The cluster of least exact cost, `own` or one with costs up to the limit, and how much less than `own`'s it is.

    Of equal costs that of `own` wins, then that of the lowest number.
    """
    best, stay = own, exact_cost(words, weights, own, own, table, size, before, after)
    least = stay
    for t in range(len(size)):
        if costs[t] <= limit:
            cost = exact_cost(words, weights, t, own, table, size, before, after)
            if cost < least:
                best, least = t, cost
    return best, stay - least


@compiled()
def sweep(indptr, indices, weights, log_p, p, order, labels, table, size, logs):
    """One pass: draw each document out of its cluster and put it where it costs least.

    Returns how many documents moved and by how much n I(T;Y) grew; labels and tables are changed in place.
    """
    longest = np.diff(indptr).max()
    before, after = np.empty(longest), np.empty(longest)
    steps = np.full(logs.shape[1], np.inf, np.float32)  # infinite in the columns that are no cluster
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
        fast_costs(words, log_p[here], p[here], own, steps, logs, costs)
        stay, least = costs[own], rival(costs, own)
        doubt = 2 * (BEND_ERROR + len(words) * WORD_ERROR)
        if least <= stay + doubt:
            best, gain = choose(words, w, own, table, size, costs, min(stay, least) + doubt, before, after)
            if best != own:
                put(words, w, own, table, size, logs, -1)
                put(words, w, best, table, size, logs, 1)
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
