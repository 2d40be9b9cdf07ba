"""What a long computation shows: a bar over its runs, when it will end, and a line for whatever is finished.

Also to a log file, a line each with the time and the process. Nothing here decides or computes anything, and a display
that fails stops nothing. Bars go to standard error, lines to standard output. A process that helps another has no bar.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from tqdm import tqdm

BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} runs{postfix}"
QUIET = 30  # seconds between two states of a bar that goes to a file, as in a job, where each stays
FIRST = 20  # seconds of work before an estimate is shown

Report = Callable[[str, dict], None]  # hears an event and its facts, as `Progress` does


def silent(event: str, facts: dict) -> None:
    """The report that says nothing."""


class Progress:
    """Hears what `experiment.ensure` and `reference.ensure` report, several data sets into one bar.

    The time left is that of the texts still to be read at the pace so far, of all processes, since runs differ a hundredfold
    in what they cost. It is counted on a clock that is never set; only the hour of the end comes from the one on the wall.
    """

    def __init__(self, log: Path | None = None):
        self.bar, self.log = None, log
        self.left = self.read = 0.0
        self.began = None

    def __call__(self, event: str, facts: dict) -> None:
        getattr(self, event)(facts)

    def plan(self, facts: dict) -> None:
        done = facts["wanted"] - facts["missing"]
        if self.bar is None:
            often = 0.1 if sys.stderr.isatty() else QUIET
            self.bar = tqdm(total=0, unit="run", file=sys.stderr, dynamic_ncols=True, miniters=0, mininterval=often, smoothing=0)
        self.line(f"{facts['dataset']}: {facts['missing']} of {facts['wanted']} runs to do")
        for note in facts.get("notes", ()) if facts["missing"] else ():
            self.line(f"{facts['dataset']}: {note}")
        if gone := facts.get("gone"):  # inter-trained models that were to be kept
            why = "their runs were finished before; where CLUSTER_TUNE_RESULTS is an empty folder they are made again"
            self.line(f"{facts['dataset']}: {gone} inter-trained models are not there to be kept: {why}")
        if again := facts.get("again"):
            self.line(f"{facts['dataset']}: maps of embeddings are not in the store, and made anew with the models behind them: "
                      f"{', '.join(again)}")
        self.bar.total += facts["wanted"]
        self.bar.n += done
        self.bar.initial = getattr(self.bar, "initial", 0) + done  # what was there is no measure of the pace
        self.bar.refresh()
        if "texts" in facts:
            self.left += facts["texts"]
            self.bar.bar_format = BAR

    def stage(self, facts: dict) -> None:
        self.note(facts["what"])
        self.bar.refresh()

    def update(self, facts: dict) -> None:
        self.count(facts.get("texts", 0))
        self.note(f"{facts['what']}: update {facts['update']}/{facts['updates']}, loss {facts['loss']:.3f}")
        self.bar.update(0)

    def run(self, record: dict) -> None:
        self.count(record["test_texts"])
        how = [record["setting"], record["clustering"] if record["clustering"] != "sib" else "", record["recipe"]]
        keys = " ".join(filter(None, (record["dataset"], record["encoder"], *how, str(record["budget"]))))
        self.line(f"{keys} #{record['repetition']}: accuracy {record['accuracy']:.3f}, {record['seconds']:.0f} s")
        self.bar.update()

    def elsewhere(self, facts: dict) -> None:
        """A run that another process finished."""
        self.count(facts["texts"])
        self.bar.update()

    def spared(self, facts: dict) -> None:
        """Texts of the plan that need not be read: another process did, or an earlier one had."""
        self.left = max(self.left - facts["texts"], 0)

    def done(self, facts: dict) -> None:
        self.line(facts["what"])
        self.bar.update(facts["count"])

    def said(self, facts: dict) -> None:
        """What is no work done: what computes, what is left out and why, where things are."""
        self.line(facts["what"])

    def waits(self, facts: dict) -> None:
        """What others have in hand when nothing else is left."""
        self.line(facts["what"])

    def line(self, text: str) -> None:
        """One line on standard output and in the log."""
        self.show(text)
        if self.log:
            stamp = datetime.now().astimezone().isoformat(timespec="seconds")
            with contextlib.suppress(OSError), open(self.log, "a", encoding="utf-8") as file:
                file.write(f"{stamp} {os.getpid()} {text}\n")

    def show(self, text: str) -> None:
        """One line on standard output."""
        with contextlib.suppress(OSError, ValueError):  # a full disk, a closed pipe or a closed stream
            tqdm.write(text, file=sys.stdout)
            sys.stdout.flush()

    def note(self, text: str) -> None:
        self.bar.set_postfix_str(", ".join(filter(None, (self.estimate(), text))), refresh=False)

    def count(self, texts: float) -> None:
        self.began = self.began or time.monotonic()
        self.read += texts
        self.left = max(self.left - texts, 0)

    def estimate(self) -> str:
        """When it will end, as '3 h 20 min left, until Tue 14:05'; '' before there is anything to go by."""
        spent = time.monotonic() - self.began if self.began else 0
        if spent < FIRST or not self.left:
            return ""
        left = timedelta(seconds=self.left * spent / self.read)
        hours, minutes = divmod(round(left.total_seconds() / 60), 60)
        return f"{hours} h {minutes:02} min left, until {datetime.now() + left:%a %H:%M}"

    def close(self) -> None:
        if self.bar is not None:
            if self.bar.n == self.bar.total:  # where others ended the work, the last estimate is of before
                self.bar.set_postfix_str("")
            self.bar.close()


class Beside(Progress):
    """What a process says that helps the one with the bar: a line for each finished run, into the log, and to `say`."""

    def __init__(self, say: Callable[[str], None], log: Path | None = None):
        super().__init__(log)
        self.show, self.bar = say, tqdm(disable=True)

    def plan(self, facts: dict) -> None:
        """Nothing: it is the plan of both."""

    def waits(self, facts: dict) -> None:
        """Nothing: who has the bar waits as well."""
