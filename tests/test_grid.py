"""Long work: a grid that is killed over and over, and one that two processes compute at once, end as if undisturbed.

The processes are real, and die by SIGKILL. They are forked from a server that has torch in memory, so that a test of
two dozen of them is a matter of seconds.
"""

import contextlib
import itertools
import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from cluster_tune import __main__, claims, design, experiment, pages, paths, results
from cluster_tune.errors import CannotWrite

# Runs of ten updates from two inter-trained models.
QUICK = design.Profile(
    ("texts.csv",),
    (
        design.Block(design.MAIN, ("paper",), (8,), (0, 1, 2)),
        design.Block(design.MAIN, ("paper", "updates-10"), (8, 16), (0, 1, 2)),
    ),
)


def grid(encoder, variables, folder, *more):
    """A process of its own: the command, in a folder, with its own variables."""
    os.environ.update(variables)
    os.chdir(folder)
    design.PROFILES["quick"] = QUICK
    for name in ("_cluster", "_on_clusters"):
        note(name)
    arguments = ["grid", "--profile", "quick", "--encoder", encoder, "--precision", "fp32", *more]
    with open("out.txt", "a") as out, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = __main__.main(arguments)
    os._exit(code)


def note(name):
    """Have a line in work.txt for each time that this part of the work is begun."""
    whole = getattr(experiment._Study, name)

    def noting(study, what, *rest):
        with open("work.txt", "a") as file:
            file.write(f"{name} {what if isinstance(what, str) else what.recipe.name}\n")
        return whole(study, what, *rest)

    setattr(experiment._Study, name, noting)


@pytest.fixture(scope="module")
def processes():
    """Makes processes that have the heavy libraries in memory from the start."""
    context = multiprocessing.get_context("forkserver")
    heavy = ["transformers.models.bert.modeling_bert", "sklearn.manifold"]
    ours = [f"cluster_tune.{name}" for name in ("intertraining", "finetuning", "experiment", "clustering")]
    context.set_forkserver_preload([*heavy, *ours])
    first = context.Process(target=int)  # waits for the server
    first.start()
    first.join()
    return context


@pytest.fixture
def start(processes, store, tiny_folder, sea_and_sky, tmp_path):
    """Starts `cluster-tune grid` on the quick profile with the results in the folder of that name."""
    sea_and_sky[:200].to_csv(tmp_path / "texts.csv", index=False)

    def started(name="results", *more):
        own = {"CLUSTER_TUNE_RESULTS": str(tmp_path / name), "CLUSTER_TUNE_ROOT": str(paths.root())}
        variables = {key: value for key, value in os.environ.items() if key.startswith(("CLUSTER_TUNE", "OMP"))}
        process = processes.Process(target=grid, args=(str(tiny_folder), variables | own, str(tmp_path), *more))
        process.start()
        return process

    return started


def outcome(folder):
    """Identity -> accuracy and macro-F1 of every record of a store."""
    found = [json.loads(file.read_text()) for file in (folder / "runs").glob("*.json")]
    return {record["run_id"]: (record["accuracy"], record["macro_f1"]) for record in found}


def finish(process):
    process.join(600)
    assert process.exitcode == 0


def test_killed_at_random_moments_it_ends_with_the_same_records(start, tmp_path):
    began = time.monotonic()
    finish(start("undisturbed"))
    took, whole = time.monotonic() - began, outcome(tmp_path / "undisturbed")
    assert len(whole) == 24
    rng, kills, rounds, finished = random.Random(0), 0, 0, set()

    def enough():  # at least 20, and at different stages of the work, which a busy machine may need more of them for
        return kills >= 20 and (len(finished) > 3 or kills >= 80)

    while not enough():
        rounds += 1
        while not enough():
            process = start(f"killed-{rounds}")
            process.join(rng.uniform(0, took / 4))
            if process.exitcode is not None:
                break
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            kills += 1
            finished.add(len(outcome(tmp_path / f"killed-{rounds}")))
        finish(start(f"killed-{rounds}"))
        assert outcome(tmp_path / f"killed-{rounds}") == whole
    assert len(finished) > 3
    assert list((tmp_path / "models").glob("*.safetensors")) == []


def test_two_processes_at_once_do_no_run_twice(start, tmp_path):
    both = [start(), start()]
    for process in both:
        finish(process)
    log = (tmp_path / "logs" / "grid-quick.log").read_text().splitlines()
    runs = [line.split(maxsplit=2) for line in log if "accuracy" in line]
    wanted = len(outcome(tmp_path / "results"))
    assert len(runs) == len({text.split(":")[0] for *_, text in runs}) == wanted
    assert {process for _, process, _ in runs} == {str(process.pid) for process in both}
    work = (tmp_path / "work.txt").read_text().splitlines()
    assert sorted(work) == ["_cluster sib", "_on_clusters paper", "_on_clusters trained"]


def test_claims_are_given_up_by_a_process_that_dies(processes, store):
    here, there = processes.Pipe()
    process = processes.Process(target=hold, args=(str(store), there))
    process.start()
    assert here.recv()
    with claims.claim("a") as mine, claims.claim("b") as other:
        assert (mine, other) == (False, True)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with claims.waiting("a"), claims.claim("b") as other:
        assert other


def hold(results, there):
    """Claim "a" and keep it."""
    os.environ["CLUSTER_TUNE_RESULTS"] = results
    with claims.claim("a") as mine:
        there.send(mine)
        time.sleep(60)


def test_a_claim_can_be_had_again_once_it_is_given_up(store):
    for _ in range(2):
        with claims.claim("a") as mine:
            assert mine


def test_a_second_user_of_the_store_can_claim_or_is_told_in_one_line(store, monkeypatch):
    umask = os.umask(0o077)
    try:
        with claims.claim("a") as mine:
            assert mine and (store / "runs" / ".claims").stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(umask)
    claims._opened.cache_clear()

    def denied(path, *_):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(claims.os, "open", denied)
    with pytest.raises(CannotWrite, match="cannot write '.*claims': Permission denied; have its owner run chmod"):
        claims.there()

    def full(path, *_):
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(claims.os, "open", full)
    with pytest.raises(CannotWrite, match="No space left on device; make room, or choose another folder"):
        claims.there()


@pytest.fixture
def here(store, sea_and_sky, tmp_path, monkeypatch, tiny_folder):
    """Runs the command in this process; its exit code."""
    monkeypatch.setenv("CLUSTER_TUNE_ROOT", str(paths.root()))
    monkeypatch.setitem(design.PROFILES, "tiny", design.Profile(("texts.csv",), (design.Block(("base",), ("paper",), (8, 16)),)))
    monkeypatch.chdir(tmp_path)
    sea_and_sky.to_csv("texts.csv", index=False)
    own = ["grid", "--encoder", str(tiny_folder), "--precision", "fp32", "--profile", "tiny"]
    return lambda *more: __main__.main([*own, *more])


def test_a_data_set_that_is_not_there_leaves_the_others(here, capsys):
    assert here("--datasets", "gone.csv,texts.csv") == 2
    out, error = capsys.readouterr()
    assert "tiny: 10 of 20 runs are in" in out and len(results.load()) == 10
    assert error.strip().splitlines()[-1].startswith("cluster-tune: 10 runs are left out: gone (there is no file 'gone.csv'")


def test_a_dry_run_says_what_is_missing_and_computes_nothing(here, capsys, store):
    assert here("--dry-run") == 0
    out = capsys.readouterr().out
    assert "0/10" in out and "10 of 10 runs to do, from 0 inter-trained models" in out
    assert not store.exists()
    assert here() == 0 and here("--dry-run") == 0
    assert "0 of 10 runs to do" in capsys.readouterr().out


def test_more_shards_than_groups_leave_some_empty(here, capsys, store):
    assert here("--shard", "2/2") == 0
    assert "shard 2/2 of this grid is empty" in capsys.readouterr().out and not store.exists()


def test_a_group_that_is_not_known(here, capsys):
    assert here("--only", "texts.csv.tiny.base.paper") == 2
    assert "unknown group of runs" in capsys.readouterr().err


def test_the_log_has_what_was_done_and_when(here, tmp_path):
    assert here() == 0
    lines = (tmp_path / "logs" / "grid-tiny.log").read_text().splitlines()
    assert len(lines) == 12 and lines[0].endswith(" texts: 10 of 10 runs to do")
    assert lines[1].endswith(": trained on the processor, in fp32")
    assert all(datetime.fromisoformat(line.split()[0]) and int(line.split()[1]) == os.getpid() for line in lines)


def test_a_clock_that_jumps_changes_nothing(here, monkeypatch):
    assert here() == 0
    straight = outcome(paths.results())
    monkeypatch.setenv("CLUSTER_TUNE_RESULTS", str(paths.results().with_name("jumping")))
    hours = itertools.cycle([0, 7_200, -86_400])
    monkeypatch.setattr(time, "time", lambda real=time.time: real() + next(hours))
    assert here() == 0
    assert outcome(paths.results()) == straight
    assert results.load()["seconds"].between(0, 60).all()


def test_a_gpu_asked_for_where_none_is_stops_with_one_line(here, capsys):
    import torch

    assert not torch.cuda.is_available() or here("--device", "cuda") == 0
    if not torch.cuda.is_available():
        assert here("--device", "cuda") == 2
        assert capsys.readouterr().err.strip().splitlines()[-1].startswith("cluster-tune: ")
        assert len(results.load()) == 0


def snakemake(folder, *more, **variables):
    """Snakemake on the checkout's Snakefile, with its own account of jobs in `folder`; what it prints."""
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "CLUSTER_TUNE_ROOT": str(paths.root()), "PATH": beside, **variables}
    command = [sys.executable, "-m", "snakemake", "--snakefile", paths.root() / "Snakefile", "--directory", folder, *more]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def test_snakemake_runs_the_smoke_profile_two_jobs_at_a_time(store, tiny_folder, tmp_path):
    asked = ["--cores", "2", "--config", f"encoder={tiny_folder}"]
    snakemake(tmp_path, *asked, OMP_NUM_THREADS="1")
    wanted = experiment.named(design.runs("smoke", encoder=str(tiny_folder)))
    assert len(results.of(wanted)) == len(wanted) == 4
    assert (store / "runs.csv").is_file() and not list((store / "runs").glob("*.json"))
    log = (tmp_path / "logs" / "grid-smoke.log").read_text().splitlines()
    assert len({line.split()[1] for line in log}) == 4  # processes, one a group of runs
    again = snakemake(tmp_path, *asked)
    assert "1 of 1 steps" in again and "rule runs" not in again
    more = snakemake(tmp_path, "--dry-run", "--cores", "1", *asked[2:], "mlm_epochs=5")
    assert re.search(r"^runs +4$", more, re.MULTILINE) and re.search(r"^data ", more, re.MULTILINE) is None


def test_snakemake_makes_one_job_of_every_group_of_the_paper_profile(tmp_path):
    plan = snakemake(
        tmp_path, "--dry-run", "--printshellcmds", "--cores", "1", "--config", "profile=paper", "gpu=1", "mlm_epochs=5")
    assert re.search(r"^encoder +1$", plan, re.MULTILINE)
    assert plan.count("--device cuda --mlm-epochs 5 --only") == len({design.group(run) for run in design.runs("paper")})
    pages = snakemake(tmp_path, "pages", "--dry-run", "--printshellcmds", "--cores", "1", "--config", "mlm_epochs=5")
    assert "page --all --profile smoke --encoder minilm --mlm-epochs 5 --datasets" in pages  # or it would learn the other 25
    groups = {design.group(run) for run in design.runs("paper")}
    assert re.search(rf"^runs +{len(groups)}$", plan, re.MULTILINE) and re.search(r"^data +10$", plan, re.MULTILINE)
    assert "cluster-tune data glove" in plan and re.search(r"^glove +1$", plan, re.MULTILINE)  # for Figure 6
    waiting = re.findall(r"^rule runs:\n +input: .*/glove\n +output: .*/runs/(.*)$", plan, re.MULTILINE)
    assert set(waiting) == {group for group in groups if re.search("kmeans|hartigan", group)}
    assert not re.search(r"^glove ", pages, re.MULTILINE)


def test_all_pages_compute_what_is_missing_and_say_how_much_is_there(here, tiny_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CLUSTER_TUNE_BOOK", str(tmp_path / "book"))
    asked = ["page", "--all", "--profile", "smoke", "--encoder", str(tiny_folder), "--precision", "fp32"]
    assert __main__.main(asked) == 0
    page = paths.results() / "pages" / tiny_folder.name / "docstrings-small.ipynb"
    assert f"{page}: 4 of 4 runs" in capsys.readouterr().out and not (tmp_path / "book").exists()
    assert "1 of 1 runs" in page.read_text() and "nbval-ignore-output" not in page.read_text()
    assert __main__.main([*asked, "-p", "compute=false", "--datasets", "docstrings-small,isear"]) == 2
    out, error = capsys.readouterr()
    assert f"{page}: 4 of 4 runs" in out and "left out: isear (no facts in" in error


def test_chapters_are_made_of_the_paper_s_data_sets_alone(here, monkeypatch, tiny_folder, capsys):
    monkeypatch.setattr(pages, "make", lambda name, **_: f"made {name}")
    monkeypatch.setattr(pages, "chapters", lambda: ["results"])
    asked = ["page", "--all", "--encoder", str(tiny_folder), "-p", "compute=false", "--profile"]
    for profile, made in (("smoke", False), ("cpu", True)):
        __main__.main([*asked, profile])
        assert ("made results" in capsys.readouterr().out) is made


def test_a_file_that_is_not_there_leaves_the_other_pages(here, monkeypatch, tmp_path, tiny_folder, capsys):
    """Paths are known by other names, under which they are left out."""
    monkeypatch.setenv("CLUSTER_TUNE_BOOK", str(tmp_path / "book"))
    monkeypatch.setattr(pages, "make", lambda name, **_: tmp_path / "book" / f"{name}.ipynb")
    asked = ["page", "--all", "--encoder", str(tiny_folder), "--precision", "fp32", "--profile", "tiny"]
    assert __main__.main([*asked, "--datasets", "gone.csv,texts.csv"]) == 2
    out, error = capsys.readouterr()
    assert "texts.csv.ipynb: 10 of 10 runs" in out
    assert error.strip().splitlines()[-1].startswith("cluster-tune: some pages or runs are left out: gone (there is no file")
