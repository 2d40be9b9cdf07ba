"""What is shown: totals over data sets, an estimate that follows the texts read, lines on standard output and in the log."""

import contextlib
import re
import time

import pytest

from cluster_tune.progress import Beside, Progress

RECORD = {"dataset": "d", "encoder": "e", "setting": "clust", "clustering": "sib", "recipe": "paper", "budget": 64,
          "repetition": 0, "accuracy": 0.5, "seconds": 2.4, "test_texts": 100}  # fmt: skip


@pytest.fixture
def shown(tmp_path):
    progress = Progress(tmp_path / "log")
    yield progress
    progress.close()


def update(texts):
    return {"what": "training", "update": 1, "updates": 2, "loss": 0.25, "texts": texts}


def test_data_sets_add_up_to_one_bar(shown, capsys, tmp_path):
    shown("plan", {"dataset": "d", "wanted": 5, "missing": 3, "texts": 300})
    shown("plan", {"dataset": "f", "wanted": 4, "missing": 4, "texts": 700})
    assert (shown.bar.n, shown.bar.total, shown.left) == (2, 9, 1000)
    shown("update", update(200))
    shown("run", RECORD)
    shown("elsewhere", {"texts": 100})
    assert (shown.bar.n, shown.left, shown.read) == (4, 600, 400)
    out = capsys.readouterr().out.splitlines()
    assert out == ["d: 3 of 5 runs to do", "f: 4 of 4 runs to do", "d e clust paper 64 #0: accuracy 0.500, 2 s"]
    assert [line.split(maxsplit=2)[2] for line in (tmp_path / "log").read_text().splitlines()] == out


def test_what_others_have_read_takes_time_off(shown):
    shown("plan", {"dataset": "d", "wanted": 1, "missing": 1, "texts": 300})
    shown("spared", {"texts": 200})
    assert (shown.left, shown.read, shown.bar.n) == (100, 0, 0)
    shown("spared", {"texts": 200})
    assert shown.left == 0


def test_a_log_gets_few_states_of_the_bar(monkeypatch):
    often = []
    for terminal in (True, False):
        monkeypatch.setattr("sys.stderr.isatty", lambda terminal=terminal: terminal)
        with contextlib.closing(Progress()) as progress:
            progress("plan", {"dataset": "d", "wanted": 1, "missing": 1, "texts": 300})
            often.append(progress.bar.mininterval)
    assert often[0] < 1 and often[1] > 10  # seconds


def test_models_that_are_not_there_to_be_kept_are_a_line(shown, capsys):
    shown("plan", {"dataset": "d", "wanted": 2, "missing": 0, "texts": 0, "gone": 2})
    first, second = capsys.readouterr().out.splitlines()
    assert first == "d: 0 of 2 runs to do" and second.startswith("d: 2 inter-trained models are not there to be kept: their runs")


def test_other_clusterings_are_named(shown, capsys):
    shown("plan", {"dataset": "d", "wanted": 1, "missing": 1, "texts": 300})
    shown("run", {**RECORD, "clustering": "kmeans"})
    assert "d e clust kmeans paper 64 #0" in capsys.readouterr().out


def test_the_time_left_is_that_of_the_texts_at_the_pace_so_far(shown, monkeypatch):
    shown("plan", {"dataset": "d", "wanted": 2, "missing": 2, "texts": 1000})
    assert shown.estimate() == ""
    now = [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    shown("update", update(0))
    now[0] += 3600
    shown("update", update(250))  # a quarter in an hour
    assert re.fullmatch(r"3 h 00 min left, until \w{3} \d\d:\d\d", shown.estimate())
    shown("update", update(750))
    assert shown.estimate() == ""


def test_no_time_is_left_once_others_have_ended_the_work(shown, monkeypatch):
    now = [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    shown("plan", {"dataset": "d", "wanted": 2, "missing": 2, "texts": 1000})
    shown("update", update(0))
    now[0] += 3600
    shown("update", update(100))
    for _ in range(2):
        assert "left, until" in shown.bar.postfix
        shown("elsewhere", {"texts": 100})
    shown.close()
    assert not shown.bar.postfix and shown.left


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path, capsys):
    progress = Progress(tmp_path / "nowhere" / "log")
    progress("plan", {"dataset": "d", "wanted": 1, "missing": 1})
    progress.close()
    assert "d: 1 of 1 runs to do" in capsys.readouterr().out


def test_work_that_is_not_counted_in_texts_is_counted_in_pieces(shown):
    shown("plan", {"dataset": "d", "wanted": 3, "missing": 3})
    shown("stage", {"what": "svm"})
    shown("done", {"what": "d svm", "count": 2})
    assert shown.bar.n == 2 and shown.estimate() == ""


def test_a_screen_that_cannot_be_written_to_stops_nothing(shown, monkeypatch, tmp_path):
    """A full disk under standard output, or a pipe whose other end has gone."""
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        shown("plan", {"dataset": "d", "wanted": 1, "missing": 1, "texts": 300})
        shown("run", RECORD)
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()
    assert len((tmp_path / "log").read_text().splitlines()) == 2


def test_a_process_that_helps_says_its_runs_and_shows_no_bar(tmp_path, capsys):
    said = []
    beside = Beside(said.append, tmp_path / "log")
    beside("plan", {"dataset": "d", "wanted": 2, "missing": 2, "texts": 1000})
    beside("stage", {"what": "clustering"})
    beside("update", update(200))
    beside("elsewhere", {"texts": 100})
    beside("run", RECORD)
    beside.close()
    assert said == ["d e clust paper 64 #0: accuracy 0.500, 2 s"]
    assert [line.split(maxsplit=2)[2] for line in (tmp_path / "log").read_text().splitlines()] == said
    assert capsys.readouterr() == ("", "")


def test_what_stands_out_in_the_texts_is_said_where_there_is_work(shown, capsys):
    facts = {"dataset": "d", "wanted": 2, "notes": ("3 of 9 texts of train are empty and were dropped.",)}
    shown("plan", {**facts, "missing": 1})
    shown("plan", {**facts, "missing": 0})
    assert capsys.readouterr().out.splitlines() == [
        "d: 1 of 2 runs to do", "d: 3 of 9 texts of train are empty and were dropped.", "d: 0 of 2 runs to do"]


def test_the_rate_is_of_what_was_done_here_and_not_of_the_last_moment(shown):
    """Ten pieces were there before; two of four were done since, in a hundred seconds, with updates within them."""
    shown("plan", {"dataset": "d", "wanted": 14, "missing": 4})
    shown.bar.start_t -= 100
    for _ in range(2):
        shown("done", {"what": "d svm", "count": 1})
        shown("update", update(0))
    said = shown.bar.format_dict
    assert said["initial"] == 10 and said["n"] == 12
    left = shown.bar.format_meter(**said)
    assert "<01:40" in left, left
