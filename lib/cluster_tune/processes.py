"""`experiment.ensure` with its progress shown, by one process or by several that share the work.

The others are helpers: they come with the first and end with it, however it ends, take what it does not have in hand
(`claims`), and say a line for each run that they finish. Several GPUs are dealt out among them. Left out: other machines.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path

from cluster_tune import claims, experiment
from cluster_tune.design import Run
from cluster_tune.errors import InputError
from cluster_tune.progress import Beside, Progress

THREADS = "OMP_NUM_THREADS"
GRACE = 60  # seconds that a helper may take to see that all is done


def ensure(runs: list[Run], *, processes: int = 1, log: Path | None = None, **how) -> list[str]:
    """Compute every run that the store does not have, as `experiment.ensure` does with the options `how`, a bar and a
    line for each run on the way; what it returns.

    Threads are divided among the processes: those of the variable OMP_NUM_THREADS, else a thread for each core.
    InputError for less than one process, and for several where there are no file locks.
    """
    if processes < 1:
        raise InputError(f"{processes} processes can do nothing; ask for at least 1")
    if processes > 1 and not claims.there():
        raise InputError("there are no file locks here, by which processes share their work; leave out --processes")
    with closing(Progress(log)) as progress, _divided(processes), _helpers(processes - 1, (runs, log, how), progress):
        return experiment.ensure(runs, report=progress, **how)


@contextmanager
def _divided(processes: int) -> Iterator[None]:
    """Let this process and those that it starts have their share of the threads; torch must not be in memory yet."""
    if processes == 1:
        yield
        return
    asked = os.environ.get(THREADS)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    os.environ[THREADS] = str(max(1, (int(asked) if asked and asked.isdecimal() else cores) // processes))
    try:
        yield
    finally:
        del os.environ[THREADS]
        os.environ.update({THREADS: asked} if asked is not None else {})


@contextmanager
def _helpers(number: int, work: tuple, progress: Progress) -> Iterator[None]:
    """So many processes at the same work while the block runs, which is to end once all is done; if it fails or is
    interrupted they are stopped as they are."""
    started: list[tuple[Connection, multiprocessing.Process]] = []
    try:
        for which in range(1, number + 1):
            started.append(_start(which, work))
        threading.Thread(target=_listen, args=([connection for connection, _ in started], progress.show), daemon=True).start()
        yield
        for _, process in started:
            process.join(GRACE)
            if process.exitcode:
                progress.line(f"a helping process ended early, with exit code {process.exitcode}; others did its work")
    finally:
        for _, process in started:
            process.kill()  # nothing happens to one that has ended
            process.join()


def _start(which: int, work: tuple) -> tuple[Connection, multiprocessing.Process]:
    """A helper, which counts from 1, and where its lines arrive."""
    context = multiprocessing.get_context("spawn")  # a fork would share what torch and its threads hold
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_help, args=(there, which, *work), daemon=True)
    process.start()
    there.close()
    return here, process


def _listen(connections: list[Connection], show: Callable[[str], None]) -> None:
    """Show what helpers say, who have it in the log already, until the last one has ended."""
    while connections:
        for connection in wait(connections):
            try:
                show(connection.recv_bytes().decode())
            except (EOFError, OSError):
                connections.remove(connection)


def _help(there: Connection, which: int, runs: list[Run], log: Path | None, how: dict) -> None:
    """What a helper does: the work, unless whoever started it has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interruption is for whoever started it, who then stops this one
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()

    def say(line: str) -> None:
        there.send_bytes(line.encode())

    from cluster_tune import training  # torch reads the number of its threads when it is loaded

    progress = Beside(say, log)
    try:
        where = training.dealt(how.get("device", "auto"), which)
        experiment.ensure(runs, report=progress, **{**how, "device": where})
    except InputError as error:  # whoever started it meets most of them as well, and stops; memory is one that is not
        progress.line(f"a helping process ends: {error}")


def _end_with(parent: multiprocessing.Process) -> None:
    parent.join()
    os._exit(1)
