"""The compiled inner loops of sIB: one pass over the documents, and the information in a table.

Only arrays come in and go out. The table holds, word by word, the sum over each cluster's members of p(y|x), as
integers with `SHIFT` binary places: sums are exact, so drawing a document out leaves no residue, and a cell is zero
exactly where no member has the word. Logarithms are to base 2.
"""

import math

import numba
import numpy as np

SHIFT = 40
UNIT = 2.0**-SHIFT


def _compiled(function):
    """`function` compiled without the interpreter's lock, kept on disk where there is a place to keep it."""
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's can be written to
        return numba.njit(nogil=True)(function)


@_compiled
def plogp(z):
    """z log z, zero at zero."""
    return z * math.log2(z) if z > 0 else 0.0


@_compiled
def tabulate(indptr, indices, weights, labels, k, v):
    """The (v, k) table and the (k,) numbers of documents, from nothing; empty documents do not count."""
    table, size = np.zeros((v, k), np.int64), np.zeros(k, np.int64)
    for x in range(len(labels)):
        size[labels[x]] += indptr[x] < indptr[x + 1]
        for j in range(indptr[x], indptr[x + 1]):
            table[indices[j], labels[x]] += weights[j]
    return table, size


@_compiled
def put(indptr, indices, weights, x, t, table, size, sign):
    """Add document x to cluster t, or with sign -1 draw it out."""
    size[t] += sign
    for j in range(indptr[x], indptr[x + 1]):
        table[indices[j], t] += sign * weights[j]


@_compiled
def merge_costs(indptr, indices, weights, x, table, size, costs):
    """Write n d(x, t) for every cluster t: what is lost when x, outside all clusters, is put into t."""
    for t in range(len(size)):
        costs[t] = plogp(size[t] + 1.0) - plogp(float(size[t]))
    for j in range(indptr[x], indptr[x + 1]):
        p, row = weights[j] * UNIT, table[indices[j]]
        for t in range(len(size)):
            s = row[t] * UNIT
            costs[t] += plogp(p) + plogp(s) - plogp(s + p)


@_compiled
def sweep(indptr, indices, weights, order, labels, table, size):
    """One pass: draw each document out of its cluster and put it where it costs least. Returns how many moved.

    Among equal costs the old cluster wins, then the lowest number.
    """
    costs, moved = np.empty(len(size)), 0
    for x in order:
        if indptr[x] == indptr[x + 1]:
            continue
        old = best = labels[x]
        put(indptr, indices, weights, x, old, table, size, -1)
        merge_costs(indptr, indices, weights, x, table, size, costs)
        for t in range(len(size)):
            if costs[t] < costs[best]:
                best = t
        put(indptr, indices, weights, x, best, table, size, 1)
        labels[x] = best
        moved += best != old
    return moved


@_compiled
def information(table, size):
    """I(T;Y) in bits of the joint distribution in the table."""
    total, n = 0.0, 0.0
    for y in range(len(table)):
        whole = 0.0
        for t in range(len(size)):
            s = table[y, t] * UNIT
            total += plogp(s)
            whole += s
        total -= plogp(whole)
    for t in range(len(size)):
        total -= plogp(float(size[t]))
        n += size[t]
    return (total + plogp(n)) / n


@_compiled
def all_costs(indptr, indices, weights, table, size, costs):
    """Write n d(x, t) for every document with terms, as one more document beside the n in the table."""
    for x in range(len(indptr) - 1):
        if indptr[x] < indptr[x + 1]:
            merge_costs(indptr, indices, weights, x, table, size, costs[x])
