"""sIB of this package beside sib-clustering, the published one: time, memory, I(T;Y); and how the time grows.

    python benchmarks/sib.py compare    # both packages on the same matrices -> benchmarks/sib.csv, 12 quiet minutes
    python benchmarks/sib.py scaling    # documents, terms, clusters, cores  -> benchmarks/sib_scaling.csv, 2 minutes

Without a word, both. Both packages get the same matrix, seeds, restarts, passes and tolerance, one after the other in
turn. `compare` gives each fit a process of its own, warmed up by a small fit that is not timed (ours loads its compiled
code then, theirs starts its processes). Other work on the machine slows both, so it should be idle, or this be run with
a priority (`nice -n -15`, as root). Besides the time on the wall (`seconds`) there is the processor time of all threads
and processes (`cpu_seconds`), and `waited`, how long they were ready to run while other programs had the cores.

Memory has three parts. What both packages import (numpy, scipy, scikit-learn) takes `common_mb`; the package itself,
with its compiled code and the processes it starts, takes `package_mb`; the fit takes `fit_mb` at most. `peak_mb` is
their sum. AG News and 20 Newsgroups must be at hand, see `cluster-tune data`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from machine import processor  # beside this file
from scipy.sparse import csr_matrix, load_npz, save_npz

HERE = Path(__file__).resolve().parent
sys.path = [folder for folder in sys.path if Path(folder).resolve() != HERE]  # the published package is `sib`, too
PACKAGES = ("cluster-tune", "sib-clustering")
DATASETS = ("ag_news", "20_newsgroups")
SETTINGS = {"n_clusters": 50, "n_init": 10, "max_iter": 15, "tol": 0.02}
CORES = [n for n in (1, 2, 4, 8, 16, 32, 64) if n <= os.cpu_count()]
SCALES = {
    "documents": (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000),
    "terms": (500, 1_000, 2_000, 5_000, 10_000, 20_000),
    "clusters": (10, 25, 50, 100, 200, 400),
    "cores": CORES,
}


def estimator(package: str, n_jobs: int, **settings):
    """An sIB of either package."""
    if package == "cluster-tune":
        from cluster_tune.clustering import SIB
    else:
        from sib import SIB
    return SIB(n_jobs=n_jobs, **settings)


def information(fitted) -> float:
    """I(T;Y) of the partition that was kept."""
    return float(getattr(fitted, "mutual_information_", None) or fitted.score_)


def matrix(dataset: str, size: int = 10_000) -> csr_matrix:
    """The counts of a data set's train texts."""
    from cluster_tune import datasets, text

    return text.bag_of_words(datasets.load(dataset).train["text"], size=size)[0]


# ---- one fit in a process of its own


def serve(package: str, file: str, n_jobs: int, seed: int) -> None:
    """The measured process: import, warm up, fit; before each it waits for a line. What came out is told as JSON."""
    import sklearn.preprocessing  # noqa: F401  both packages import it

    counts = load_npz(file)
    pause("imported")
    estimator(package, n_jobs, **{**SETTINGS, "n_clusters": 4, "max_iter": 2}, random_state=0).fit(counts[:200])
    pause("warm")
    spent, began = processor_time(), time.perf_counter()
    fitted = estimator(package, n_jobs, **SETTINGS, random_state=seed).fit(counts)
    seconds, spent = time.perf_counter() - began, processor_time() - spent
    found = {"seconds": seconds, "cpu_seconds": spent, "information": information(fitted)}
    print(json.dumps({**found, "passes": int(fitted.n_iter_)}), flush=True)


def pause(what: str) -> None:
    """Say what was done and wait for the word to go on."""
    print(what, flush=True)
    sys.stdin.readline()


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    below = children.read_text().split() if children.exists() else []
    return [pid, *(p for child in below for p in family(int(child)))]


def processor_time() -> float:
    """Seconds that this process and its descendants have computed so far; the latter in hundredths."""
    ticks = 0
    for p in family(os.getpid())[1:]:
        fields = Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """Megabytes that a process and its descendants hold, shared pages divided among those who share them."""
    total = 0
    for p in family(pid):
        try:
            lines = Path(f"/proc/{p}/smaps_rollup").read_text().splitlines()
        except OSError:  # it has ended meanwhile
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def waits(pid: int) -> float:
    """Seconds that the threads of a process and its descendants have waited for a core so far."""
    total = 0
    for p in family(pid):
        for file in Path(f"/proc/{p}/task").glob("*/schedstat"):
            try:
                total += int(file.read_text().split()[1])
            except (OSError, IndexError):  # the thread has ended meanwhile
                continue
    return total / 1e9


def measure(package: str, file: Path, n_jobs: int, seed: int) -> dict:
    """One fit: seconds, processor seconds, seconds of waiting for a core, megabytes, I(T;Y)."""
    command = [sys.executable, __file__, "serve", package, str(file), str(n_jobs), str(seed)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        common = after(process, "imported")
        held = peak = after(process, "warm")
        began, before, waited = time.perf_counter(), waits(process.pid), 0.0
        os.set_blocking(process.stdout.fileno(), False)
        while not (line := process.stdout.readline()) and process.poll() is None:
            peak, waited = max(peak, memory(process.pid)), max(waited, waits(process.pid) - before)
            time.sleep(min(0.2, 0.05 + (time.perf_counter() - began) / 50))
    found = json.loads(line)
    parts = {"common_mb": common, "package_mb": held - common, "fit_mb": peak - held, "peak_mb": peak}
    return {**found, "waited": round(waited, 2), **{name: round(value, 1) for name, value in parts.items()}}


def after(process: subprocess.Popen, what: str) -> float:
    """The memory that a measured process holds once it has said what it did; it then goes on."""
    if process.stdout.readline() != f"{what}\n":
        raise SystemExit(f"the fit did not get as far as '{what}'")
    held = memory(process.pid)
    process.stdin.write("\n")
    process.stdin.flush()
    return held


def compare(seeds: list[int], cores: list[int]) -> pd.DataFrame:
    """Both packages on the same matrices; what the file has of other seeds and numbers of cores stays in it."""
    file, keys = HERE / "sib.csv", ["dataset", "cores", "seed", "package"]
    runs = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=keys)
    with tempfile.TemporaryDirectory() as folder:
        files = {dataset: Path(folder) / f"{dataset}.npz" for dataset in DATASETS}
        about = {dataset: save(files[dataset], matrix(dataset)) for dataset in DATASETS}
        for n, seed, dataset, package in product(cores, seeds, DATASETS, PACKAGES):
            row = {"dataset": dataset, **about[dataset], "cores": n, "seed": seed, "package": package}
            row |= measure(package, files[dataset], n, seed)
            print(row, file=sys.stderr, flush=True)
            runs = pd.concat([runs, stamped([row])]) if len(runs) else stamped([row])
            runs = runs.drop_duplicates(keys, keep="last").sort_values(keys)
            runs.to_csv(file, index=False)
    return runs


def save(file: Path, counts: csr_matrix) -> dict:
    """Write a matrix for the measured processes; its sizes."""
    save_npz(file, counts)
    return {"documents": counts.shape[0], "terms": counts.shape[1], "cells": counts.nnz}


# ---- how the time grows


def timed(package: str, repeats: int, counts: csr_matrix, n_jobs: int, **settings) -> dict:
    """The least time of some fits in this process."""
    found = []
    for _ in range(repeats):
        spent, began = processor_time(), time.perf_counter()
        fitted = estimator(package, n_jobs, random_state=0, **settings).fit(counts)
        seconds, spent = time.perf_counter() - began, processor_time() - spent
        found.append({"seconds": seconds, "cpu_seconds": spent, "passes": int(fitted.n_iter_)})
    return min(found, key=lambda one: one["seconds"])


def scaling(sizes: list[str]) -> pd.DataFrame:
    """One restart of five passes over AG News, one size varied at a time; ten restarts for the cores.

    What the file has of other sizes stays in it.
    """
    file = HERE / "sib_scaling.csv"
    wide = matrix("ag_news", max(SCALES["terms"]))
    base = csr_matrix(wide[:, :10_000])
    cases = {
        "documents": lambda n: {"counts": base[np.random.default_rng(n).integers(base.shape[0], size=n)]},
        "terms": lambda v: {"counts": csr_matrix(wide[:, :v])},
        "clusters": lambda k: {"counts": base, "n_clusters": k},
        "cores": lambda cores: {"counts": base, "n_init": 10, "n_jobs": cores},
    }
    runs = pd.read_csv(file).query("varied not in @sizes") if file.exists() else pd.DataFrame()
    for package, varied in product(PACKAGES, sizes):
        for value in SCALES[varied]:
            case = {"n_clusters": 50, "n_init": 1, "n_jobs": 1, **cases[varied](value)}
            timed(package, 1, **{**case, "counts": base[:200], "n_clusters": 4})  # load, start processes
            found = timed(package, 3 if package == "cluster-tune" else 1, **case, max_iter=5, tol=0.0)
            (n, v), case["cores"] = case.pop("counts").shape, case.pop("n_jobs")
            row = {"varied": varied, "value": value, "package": package, "documents": n, "terms": v, **case, **found}
            print(row, file=sys.stderr, flush=True)
            runs = pd.concat([runs, stamped([row])]) if len(runs) else stamped([row])
            runs.to_csv(file, index=False)
    return runs


def stamped(rows: list[dict]) -> pd.DataFrame:
    """Some runs with what they were made with."""
    frame = pd.DataFrame(rows).round({"seconds": 4, "cpu_seconds": 4, "information": 6})
    frame["version"] = frame["package"].map({package: version(package) for package in PACKAGES})
    return frame.assign(machine=f"{os.cpu_count()} cores, {processor()}", date=date.today().isoformat())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mode", nargs="?", choices=("compare", "scaling", "serve"), help="both if not given")
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--sizes", nargs="+", default=list(SCALES), choices=list(SCALES), help="of scaling")
    parser.add_argument("--cores", type=int, nargs="+", default=sorted({os.cpu_count(), 1}, reverse=True))
    given = parser.parse_args()
    from cluster_tune import stats

    if given.mode == "serve":
        package, file, n_jobs, seed = given.rest
        serve(package, file, int(n_jobs), int(seed))
        return
    if given.mode != "scaling":
        print(stats.side_by_side(compare(given.seeds, given.cores)).T.to_string())
    if given.mode != "compare":
        print(scaling(given.sizes).to_string())


if __name__ == "__main__":
    main()
