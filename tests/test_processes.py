"""Helpers at the same grid: they do what the first process does not, say their lines there, and end with it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from cluster_tune import claims, design, experiment, paths, processes, results
from cluster_tune.errors import InputError


@pytest.fixture
def runs(store, sea_and_sky, tiny_folder, tmp_path, monkeypatch):
    """Four runs on a file in the current folder."""
    monkeypatch.chdir(tmp_path)
    sea_and_sky.to_csv("texts.csv", index=False)
    return list(design.combine(["texts.csv"], str(tiny_folder), ["base"], ["paper"], [8, 16], [0, 1], "sib"))


def patient(enough):
    """What stands in for the first process's work: it does nothing but wait for the helpers'."""

    def ensure(*_, **__):
        ends = time.monotonic() + 120
        while len(results.finished()) < enough:
            assert time.monotonic() < ends
            time.sleep(0.05)
        return ["left out"]

    return ensure


def test_helpers_do_what_the_first_process_does_not(runs, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(experiment, "ensure", patient(len(runs)))
    log = tmp_path / "log"
    assert processes.ensure(runs, processes=2, log=log, precision="fp32") == ["left out"]
    said = [line for line in capsys.readouterr().out.splitlines() if "accuracy" in line]
    logged = [line.split(maxsplit=2)[1:] for line in log.read_text().splitlines()]
    assert logged.pop(0)[1] == "tiny: trained on the processor, in fp32"  # before anything that it did
    assert len(said) == len(set(said)) == 4 and sorted(said) == sorted(text for _, text in logged)
    assert {int(number) for number, _ in logged} != {os.getpid()}
    assert multiprocessing.active_children() == []


def test_an_interruption_stops_the_helpers_and_the_same_call_goes_on(runs, monkeypatch):
    wait, whole = patient(1), experiment.ensure

    def interrupted(*_, **__):
        wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "ensure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        processes.ensure(runs, processes=2, precision="fp32")
    assert multiprocessing.active_children() == []
    monkeypatch.setattr(experiment, "ensure", whole)
    assert processes.ensure(runs, precision="fp32") == [] and len(results.finished()) == 4


def test_a_helper_that_dies_is_named_and_its_work_is_done(runs, monkeypatch, capsys):
    whole = experiment.ensure

    def ensure(*given, **how):
        (helper,) = multiprocessing.active_children()
        os.kill(helper.pid, signal.SIGKILL)
        helper.join()
        return whole(*given, **how)

    monkeypatch.setattr(experiment, "ensure", ensure)
    assert processes.ensure(runs, processes=2, precision="fp32") == [] and len(results.finished()) == 4
    assert "a helping process ended early, with exit code -9" in capsys.readouterr().out


def test_helpers_end_when_the_first_process_is_killed(runs):
    command = [sys.executable, "-m", "cluster_tune", "run", "texts.csv", "--encoder", runs[0].encoder, "--budgets", "8",
               "--recipes", "updates-640", "--repetitions", "50", "--processes", "2"]  # fmt: skip
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert first.stdout.readline() == "texts: 100 of 100 runs to do\n"  # the helper has been started by then
    first.kill()
    first.communicate(timeout=60)  # ends with the last process that could write to it
    assert first.returncode == -signal.SIGKILL and len(results.finished()) < 100


@pytest.mark.parametrize("asked, number, own", [("8", 4, "2"), ("2", 4, "1"), (None, 10**6, "1")])
def test_threads_are_divided(monkeypatch, asked, number, own):
    monkeypatch.delenv(processes.THREADS, raising=False)
    if asked:
        monkeypatch.setenv(processes.THREADS, asked)
    with processes._divided(number):
        assert os.environ[processes.THREADS] == own
    assert os.environ.get(processes.THREADS) == asked


def test_fewer_than_one_process_and_several_without_locks(runs, monkeypatch):
    with pytest.raises(InputError, match="at least 1"):
        processes.ensure(runs, processes=0)
    assert claims.there()
    monkeypatch.setattr(claims, "there", lambda: False)
    with pytest.raises(InputError, match="no file locks"):
        processes.ensure(runs, processes=2)
    assert not paths.results().joinpath("runs.csv").exists()
