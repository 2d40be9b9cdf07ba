"""The compiled loop of Hartigan's k-means: one pass over the points.

Only arrays come in and go out; starts, checks and stopping are in `clustering`. To put a point x, so far in no
cluster, into cluster t of n[t] points with centre c[t] adds n[t] / (n[t] + 1) |x - c[t]|^2 to the inertia. What its
removal from its own cluster of n points takes off is n / (n - 1) |x - c|^2 with x still in the centre, and nothing if
it is alone there.
"""

import numba
import numpy as np


def _compiled(function):
    """Compile without the interpreter's lock, and keep the result on disk where there is a place to keep it."""
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package's folder nor the user's can be written to
        return numba.njit(**options)(function)


@_compiled
def squared_distance(x, c):
    total = 0.0
    for j in range(len(x)):
        total += (x[j] - c[j]) * (x[j] - c[j])
    return total


@_compiled
def move(x, old, new, centers, sizes):
    """Take x out of one cluster and put it into another; the centre of a cluster left empty stays where it was."""
    sizes[old] -= 1
    for j in range(len(x) if sizes[old] else 0):
        centers[old, j] += (centers[old, j] - x[j]) / sizes[old]
    sizes[new] += 1
    for j in range(len(x)):
        centers[new, j] += (x[j] - centers[new, j]) / sizes[new]


@_compiled
def sweep(points, order, labels, centers, sizes):
    """One pass: each point, drawn out of its cluster, goes where it adds least to the inertia.

    Returns how many moved and by how much the inertia fell. Of equal costs the old cluster wins, then the lowest
    number. Labels, centres and sizes are changed in place.
    """
    moved, fallen = 0, 0.0
    for i in order:
        x, own = points[i], labels[i]
        if sizes[own] == 1:
            continue
        stay = sizes[own] / (sizes[own] - 1.0) * squared_distance(x, centers[own])
        best, least = own, stay
        for t in range(len(sizes)):
            if t != own:
                cost = sizes[t] / (sizes[t] + 1.0) * squared_distance(x, centers[t])
                if cost < least:
                    best, least = t, cost
        if best != own:
            move(x, own, best, centers, sizes)
            labels[i], moved, fallen = best, moved + 1, fallen + stay - least
    return moved, fallen
