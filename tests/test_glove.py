"""GloVe: averages by hand, every way a file is packed, and every way it can be broken."""

import functools
import gzip
import hashlib
import http.server
import threading
import zipfile

import numpy as np
import pytest

from cluster_tune import glove
from cluster_tune.errors import InputError

ROWS = "the 0 0 1\ncat 1 0 0.5\ndog 0.5 -1 1e-1\n"
WORDS = ["cat", "dog", "unheard"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder of vectors."""
    monkeypatch.setenv("CLUSTER_TUNE_GLOVE", str(tmp_path))
    return tmp_path


def put(folder, name, rows=ROWS):
    content = rows if isinstance(rows, bytes) else rows.encode()
    if name.endswith(".zip"):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr(name.replace(".zip", ".txt"), content)
    else:
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder / name


def refused():
    """The one line with which it refuses."""
    with pytest.raises(InputError) as caught:
        glove.read(WORDS)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["glove.3d.txt", "glove.3d.txt.gz", "glove.3d.gz", "glove.3d.zip"])
def test_packed_or_plain(folder, name):
    put(folder, name)
    vectors = glove.read(WORDS)
    assert (vectors.name, vectors.size, list(vectors.rows)) == ("glove.3d", 3, ["cat", "dog"])
    assert np.array_equal(vectors.matrix, np.array([[1, 0, 0.5], [0.5, -1, 0.1]], np.float32))


def test_the_variable_may_name_the_file_itself(folder, monkeypatch):
    monkeypatch.setenv("CLUSTER_TUNE_GLOVE", str(put(folder, "vectors.txt")))
    assert glove.read(WORDS).name == "vectors"


def test_of_several_files_the_one_of_most_dimensions(folder):
    for name in ("glove.6B.50d.txt", "glove.6B.100d.txt.gz", "notes.txt"):
        put(folder, name)
    assert glove.find().name == "glove.6B.100d"
    with zipfile.ZipFile(folder / "glove.6B.zip", "w") as archive:
        for width in (50, 300):
            archive.writestr(f"glove.6B.{width}d.txt", ROWS)
    assert glove.find().name == "glove.6B.300d" and len(glove.read(WORDS).rows) == 2


def test_averages_by_hand(folder):
    put(folder, "a.txt")
    vectors = glove.read(WORDS)
    found = glove.average([["cat", "dog", "unheard"], ["cat", "cat", "dog"], [], ["unheard"]], vectors)
    assert np.allclose(found, [[0.75, -0.5, 0.3], [2.5 / 3, -1 / 3, 1.1 / 3], [0, 0, 0], [0, 0, 0]])
    assert found.dtype == np.float64


def test_averages_against_a_loop(folder):
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(50)]
    put(folder, "a.txt", "".join(f"{word} {' '.join(map(str, rng.normal(size=7)))}\n" for word in words))
    vectors = glove.read(words)
    texts = [list(rng.choice(words, size=n)) for n in range(1, 40)]
    loop = [np.mean([vectors.matrix[vectors.rows[word]] for word in words], axis=0) for words in texts]
    assert np.allclose(glove.average(texts, vectors), loop, atol=1e-6)


def test_coverage(folder):
    put(folder, "a.txt")
    found = glove.coverage([["cat", "unheard"], ["unheard"], [], ["dog", "dog"]], glove.read(WORDS))
    assert found == {"tokens": 5, "covered": 0.6, "texts": 4, "without": 2}
    assert glove.coverage([[]], glove.read(WORDS))["covered"] == 0


def test_what_stanford_s_files_hold(folder):
    """A word with blanks, a no-break space inside a word, a byte that is no UTF-8, a word twice, no last line end."""
    rows = ". . 1 2 3\na\xa0b 1 2 3\n".encode() + b"\xff\xfe 1 2 3\n" + b"cat 1 2 3\ncat 9 9 9\ndog 4 5 6"
    put(folder, "a.txt", b"the 0 0 1\n" + rows)
    vectors = glove.read([*WORDS, "a", ".", "a\xa0b"])
    assert vectors.rows == {"a\xa0b": 0, "cat": 1, "dog": 2} and vectors.matrix[1].tolist() == [1, 2, 3]


def test_a_first_line_of_counts_is_passed_over(folder):
    put(folder, "a.txt", "3 3\n" + ROWS)
    assert list(glove.read([*WORDS, "3"]).rows) == ["cat", "dog"]


@pytest.mark.parametrize(
    "rows, said",
    [
        (ROWS + "bird 1 2\n", "row 4 of 'a.txt' has 2 numbers, not 3"),
        (ROWS + "bird 1 2 3 4\n", "row 4 of 'a.txt' has 4 numbers, not 3"),
        (ROWS + "bird\n", "row 4 of 'a.txt' has 0 numbers, not 3"),
        ("word\nthe\n", "row 1 of 'a.txt' has 0 numbers, not any"),
        ("cat 1 two 3\n", "row 1 of 'a.txt' holds something else than numbers"),
        ("the 1 2 3\ncat 1 nan 3\n", "row 2 of 'a.txt' holds something else than numbers"),
        ("chat 1 2\nchien 1 2\n", "none of the 3 words of the texts is in 'a.txt'"),
        ("", "'a.txt' has no rows"),
    ],
)
def test_broken_rows(folder, rows, said):
    put(folder, "a.txt", rows)
    assert said in refused()


def test_broken_files(folder):
    whole = gzip.compress((ROWS * 1000).encode())
    (folder / "a.gz").write_bytes(whole[: len(whole) // 2])
    assert "cannot read" in refused() and "a.gz" in refused()
    (folder / "a.gz").write_bytes(b"no gzip at all")
    assert "cannot read" in refused()
    (folder / "a.gz").rename(folder / "a.zip")
    assert "cannot read" in refused()


def test_nothing_there(folder, monkeypatch):
    assert "cluster-tune data glove" in refused() and str(folder) in refused()
    monkeypatch.setenv("CLUSTER_TUNE_GLOVE", str(folder / "none"))
    assert "cluster-tune data glove" in refused()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def address(tmp_path_factory, monkeypatch):
    """A server of a small archive in place of Stanford's."""
    served = tmp_path_factory.mktemp("served")
    file = put(served, "glove.6B.3d.zip").rename(served / "glove.6B.zip")
    monkeypatch.setattr(glove, "SHA256", hashlib.sha256(file.read_bytes()).hexdigest())
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(served)))
    threading.Thread(target=running.serve_forever, daemon=True).start()
    monkeypatch.setattr(glove, "ADDRESS", f"http://127.0.0.1:{running.server_port}/glove.6B.zip")
    yield
    running.shutdown()
    running.server_close()


def test_fetching(folder, address, monkeypatch):
    assert glove.fetch(progress=False).name == "glove.6B.3d" and (folder / "glove.6B.zip").is_file()
    monkeypatch.setattr(glove, "ADDRESS", "http://127.0.0.1:9/none")
    assert glove.fetch(progress=False).name == "glove.6B.3d"  # what is there is not fetched again


def test_another_file_than_the_published_one_is_refused(folder, address, monkeypatch):
    monkeypatch.setattr(glove, "SHA256", "0" * 64)
    with pytest.raises(InputError, match="is not the published file"):
        glove.fetch(progress=False)
    assert not list(folder.iterdir())


def test_no_network_is_one_line(folder, monkeypatch):
    monkeypatch.setattr(glove, "ADDRESS", "http://127.0.0.1:9/glove.6B.zip")
    with pytest.raises(InputError) as caught:
        glove.fetch(progress=False)
    assert "cannot fetch GloVe from http://127.0.0.1:9" in str(caught.value) and str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
