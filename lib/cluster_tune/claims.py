"""Who does what, where several processes work on one store: claims that end with the process that holds them.

A claim is a lock on one byte of the file `results/runs/.claims`, at a place that the claimed name decides. The operating
system gives it up when its process ends, however it ends, so there is nothing to clean up after a crash. Left out:
claims between threads of one process, and between machines whose file system has no locks (`--shard` is for those).
"""

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from cluster_tune import paths
from cluster_tune.errors import CannotWrite

PATIENCE = 0.5  # seconds between two looks at what another process has in hand
TAKEN = (errno.EAGAIN, errno.EACCES)  # either may be the system's word for a lock that another process holds
WITHOUT = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


@contextmanager
def claim(name: str) -> Iterator[bool]:
    """Claim `name` for the length of the block; False, and no claim, where another process holds it.

    Where the file system or the operating system has no locks every claim is granted. Not to be nested with itself: a
    process never stands in its own way.
    """
    try:
        import fcntl
    except ImportError:  # Windows, where one process at a time works on a store
        yield True
        return
    file, place = _file(), _place(name)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except OSError as error:
        if error.errno not in (*TAKEN, *WITHOUT):
            raise
        yield error.errno in WITHOUT
        return
    try:
        yield True
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, place)


def want(name: str) -> None:
    """Say that this process still needs what is called `name`, until `unwant` or its end; any number of processes may."""
    _shared(name, take=True)


def unwant(name: str) -> None:
    """Need it no longer."""
    _shared(name, take=False)


def unwanted(name: str):
    """A claim on what is called `name`, as `claim`: False where another process needs it."""
    return claim(_wanted(name))


def _wanted(name: str) -> str:
    return f"wanted {name}"


def _shared(name: str, take: bool) -> None:
    try:
        import fcntl
    except ImportError:
        return
    file, place = _file(), _place(_wanted(name))
    while True:
        try:
            fcntl.lockf(file, (fcntl.LOCK_SH | fcntl.LOCK_NB) if take else fcntl.LOCK_UN, 1, place)
            return
        except OSError as error:
            if error.errno in WITHOUT:
                return
            if error.errno not in TAKEN:
                raise
        time.sleep(PATIENCE)  # another process is about to delete it


def there() -> bool:
    """Whether claims mean something here: the operating system and the file system of the results have locks."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.lockf(_file(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place("there"))
        fcntl.lockf(_file(), fcntl.LOCK_UN, 1, _place("there"))
    except OSError as error:
        return error.errno not in WITHOUT
    return True


@contextmanager
def waiting(name: str) -> Iterator[None]:
    """Claim `name` for the length of the block, once whoever holds it is done."""
    while True:
        with claim(name) as mine:
            if mine:
                yield
                return
        time.sleep(PATIENCE)


def _place(name: str) -> int:
    """A byte of the file for every name: 60 bits of its digest. The file stays empty; locks may lie beyond its end."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:15], 16)


def _file() -> int:
    path = paths.writable(paths.results() / "runs") / ".claims"
    file = _opened(path, os.getpid())
    if not os.fstat(file).st_nlink:  # deleted, with its folder: others would lock a new one
        _opened.cache_clear()
    return _opened(path, os.getpid())


@cache
def _opened(path: Path, process: int) -> int:
    """Opened once a process and not closed: to close it would give up every claim in it. CannotWrite where another user
    made it and lets nobody else write."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        forbidden = error.errno in (errno.EACCES, errno.EPERM)
        what = "have its owner run chmod a+w on it" if forbidden else "make room"
        raise CannotWrite(f"cannot write '{path}': {error.strerror}; {what}, or choose another folder") from None
    with suppress(OSError):  # for whoever shares the folder, whatever the umask: it stays empty
        os.fchmod(file, 0o666)
    return file
