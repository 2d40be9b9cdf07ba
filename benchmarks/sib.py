"""sIB of this package beside sib-clustering, the published one: time, memory, I(T;Y); and how the time grows.

    python benchmarks/sib.py compare    # both packages on the same matrices -> benchmarks/sib.csv
    python benchmarks/sib.py scaling    # documents, terms, clusters, cores  -> benchmarks/sib_scaling.csv

Both packages get the same matrix, seeds, restarts, passes and tolerance, one after the other in turn. `compare` gives
each fit a process of its own, warmed up by a small fit that is not timed (ours compiles then, theirs starts its
processes), so that its memory can be told. Other work on the machine slows both; so besides the time on the wall
(`seconds`) there is the processor time of all threads and processes (`cpu_seconds`), and `load`, the machine's load
when the fit began. AG News and 20 Newsgroups must be at hand, see `cluster-tune data`.
"""

import argparse
import json
import os
import platform
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
from scipy.sparse import csr_matrix, load_npz, save_npz

HERE = Path(__file__).resolve().parent
sys.path = [folder for folder in sys.path if Path(folder).resolve() != HERE]  # the published package is `sib`, too
PACKAGES = ("cluster-tune", "sib-clustering")
DATASETS = ("ag_news", "20_newsgroups")
SETTINGS = {"n_clusters": 50, "n_init": 10, "max_iter": 15, "tol": 0.02}
SCALES = {
    "documents": (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000),
    "terms": (500, 1_000, 2_000, 5_000, 10_000, 20_000),
    "clusters": (10, 25, 50, 100, 200, 400),
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
    """The measured process: warm up, say so, wait for the word, fit, and write what came out as JSON."""
    counts = load_npz(file)
    estimator(package, n_jobs, **{**SETTINGS, "n_clusters": 4, "max_iter": 2}, random_state=0).fit(counts[:200])
    print("ready", flush=True)
    sys.stdin.readline()
    load, spent, began = os.getloadavg()[0], processor_time(), time.perf_counter()
    fitted = estimator(package, n_jobs, **SETTINGS, random_state=seed).fit(counts)
    seconds, spent = time.perf_counter() - began, processor_time() - spent
    found = {"seconds": seconds, "cpu_seconds": spent, "load": load, "information": information(fitted)}
    print(json.dumps({**found, "passes": int(fitted.n_iter_)}), flush=True)


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


def measure(package: str, file: Path, n_jobs: int, seed: int) -> dict:
    """One fit: seconds, processor seconds, megabytes at most and beyond what was held before, I(T;Y)."""
    command = [sys.executable, __file__, "serve", package, str(file), str(n_jobs), str(seed)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        if process.stdout.readline() != "ready\n":
            raise SystemExit(f"the fit of {package} did not start")
        held = peak = memory(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        os.set_blocking(process.stdout.fileno(), False)
        while not (line := process.stdout.readline()) and process.poll() is None:
            peak = max(peak, memory(process.pid))
            time.sleep(0.2)
    return {**json.loads(line), "peak_mb": round(peak, 1), "added_mb": round(peak - held, 1)}


def compare(seeds: int) -> pd.DataFrame:
    """Both packages on the same matrices: the first two seeds on all cores and on one, the others on one.

    Seeds outermost, so that a benchmark that is cut short is a smaller one of the same kind.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        files = {dataset: Path(folder) / f"{dataset}.npz" for dataset in DATASETS}
        about = {dataset: save(files[dataset], matrix(dataset)) for dataset in DATASETS}
        for seed, dataset in product(range(seeds), DATASETS):
            for cores, package in product((os.cpu_count(), 1) if seed < 2 else (1,), PACKAGES):
                row = {"dataset": dataset, **about[dataset], "cores": cores, "seed": seed, "package": package}
                rows.append({**row, **measure(package, files[dataset], cores, seed)})
                print(rows[-1], file=sys.stderr, flush=True)
                write(rows, "sib.csv")
    return pd.DataFrame(rows)


def save(file: Path, counts: csr_matrix) -> dict:
    """Write a matrix for the measured processes; its sizes."""
    save_npz(file, counts)
    return {"documents": counts.shape[0], "terms": counts.shape[1], "cells": counts.nnz}


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """A row a data set and number of cores: how many times as fast, memory, mean I(T;Y)."""
    keys = ["dataset", "cores", "package"]
    best = runs.groupby(keys, sort=False).agg(
        seconds=("seconds", "min"),
        cpu_seconds=("cpu_seconds", "min"),
        added_mb=("added_mb", "max"),
        peak_mb=("peak_mb", "max"),
        information=("information", "mean"),
    )
    wide = best.unstack("package")
    for name in ("seconds", "cpu_seconds", "added_mb", "peak_mb"):
        wide[name, "ratio"] = wide[name, "sib-clustering"] / wide[name, "cluster-tune"]
    return wide.sort_index(axis=1).round(4)


# ---- how the time grows


def timed(package: str, counts: csr_matrix, repeats: int, n_jobs: int = 1, **settings) -> dict:
    """The least time of some fits in this process."""
    found = []
    for _ in range(repeats):
        load, spent, began = os.getloadavg()[0], processor_time(), time.perf_counter()
        fitted = estimator(package, n_jobs, random_state=0, **settings).fit(counts)
        seconds, spent = time.perf_counter() - began, processor_time() - spent
        found.append({"seconds": seconds, "cpu_seconds": spent, "load": load, "passes": int(fitted.n_iter_)})
    return min(found, key=lambda one: one["cpu_seconds"])


def scaling() -> pd.DataFrame:
    """One restart of five passes over AG News, one size varied at a time; ten restarts for the cores."""
    wide, rng = matrix("ag_news", max(SCALES["terms"])), np.random.default_rng(0)
    base = wide[:, :10_000]
    rows = []

    def add(varied: str, value: int, counts: csr_matrix, package: str, k: int = 50, restarts: int = 1, cores: int = 1):
        settings = {"n_clusters": k, "n_init": restarts, "max_iter": 5, "tol": 0.0}
        found = timed(package, counts, 3 if package == "cluster-tune" else 1, cores, **settings)
        sizes = {"documents": counts.shape[0], "terms": counts.shape[1], "clusters": k}
        row = {"varied": varied, "value": value, "package": package, **sizes, "restarts": restarts, "cores": cores}
        rows.append({**row, **found})
        print(rows[-1], file=sys.stderr, flush=True)
        write(rows, "sib_scaling.csv")

    for package in PACKAGES:
        timed(package, base[:200], 1, n_clusters=4)  # compile, load
    for n in SCALES["documents"]:
        resampled = base[rng.integers(base.shape[0], size=n)]
        for package in PACKAGES:
            add("documents", n, resampled, package)
    for v in SCALES["terms"]:
        for package in PACKAGES:
            add("terms", v, csr_matrix(wide[:, :v]), package)
    for k in SCALES["clusters"]:
        for package in PACKAGES:
            add("clusters", k, base, package, k=k)
    for cores in sorted({1, 2, 4, 8, os.cpu_count()}):
        if cores <= os.cpu_count():
            add("cores", cores, base, "cluster-tune", restarts=10, cores=cores)
    return pd.DataFrame(rows)


def write(rows: list[dict], name: str) -> None:
    """The runs so far, with what they were made with."""
    frame = pd.DataFrame(rows).round({"seconds": 4, "cpu_seconds": 4, "load": 1, "information": 6})
    frame["version"] = frame["package"].map({package: version(package) for package in PACKAGES})
    frame["machine"], frame["date"] = f"{os.cpu_count()} cores, {processor()}", date.today().isoformat()
    frame.to_csv(HERE / name, index=False)


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    modes = parser.add_subparsers(dest="mode", required=True)
    modes.add_parser("compare").add_argument("--seeds", type=int, default=5)
    modes.add_parser("scaling")
    one = modes.add_parser("serve")
    for name, kind in {"package": str, "file": str, "n_jobs": int, "seed": int}.items():
        one.add_argument(name, type=kind)
    given = vars(parser.parse_args())
    mode = given.pop("mode")
    if mode == "serve":
        serve(**given)
    elif mode == "compare":
        print(summary(compare(**given)).T.to_string())
    else:
        print(scaling().to_string())


if __name__ == "__main__":
    main()
