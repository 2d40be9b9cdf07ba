"""Paths: each folder has its variable, and the root is found from anywhere inside the checkout."""

import pytest

from cluster_tune import paths
from cluster_tune.errors import InputError


def test_the_root_is_found_from_a_folder_below_it(monkeypatch, tmp_path):
    (tmp_path / "_toc.yml").write_text("")
    (tmp_path / "notebooks" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notebooks" / "deep")
    monkeypatch.delenv("CLUSTER_TUNE_ROOT", raising=False)
    assert paths.root() == tmp_path


@pytest.mark.parametrize("name, function", [("CACHE", "data"), ("MODELS", "models"), ("RESULTS", "results"), ("BOOK", "book")])
def test_a_variable_moves_its_folder_and_makes_none(monkeypatch, tmp_path, name, function):
    monkeypatch.setenv(f"CLUSTER_TUNE_{name}", str(tmp_path / "there"))
    assert getattr(paths, function)() == tmp_path / "there"
    assert not (tmp_path / "there").exists()
    monkeypatch.delenv(f"CLUSTER_TUNE_{name}")
    assert getattr(paths, function)() == paths.root() / function


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot write to .*; choose another folder"):
        paths.writable(tmp_path / "file" / "below")



def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    target = tmp_path / "file"
    with paths.replacing(target) as temporary:
        temporary.write_text("first")
    assert target.read_text() == "first"
    with pytest.raises(KeyError), paths.replacing(target) as temporary:
        temporary.write_text("half")
        raise KeyError
    with pytest.raises(InputError, match="No space left on device; what was there"), paths.replacing(target) as temporary:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")
    with pytest.raises(InputError, match="what was there is kept"), paths.replacing(tmp_path / "no" / "file") as temporary:
        temporary.write_text("nowhere")
    assert target.read_text() == "first" and list(tmp_path.iterdir()) == [target]


def test_two_writers_with_one_number_do_not_share_a_temporary_name(tmp_path, monkeypatch):
    """Processes of two machines that share a folder may have the same number."""
    monkeypatch.setattr("os.getpid", lambda: 7)
    with paths.replacing(tmp_path / "table") as first, paths.replacing(tmp_path / "table") as second:
        assert first != second
        first.write_text("a")
        second.write_text("b")
    assert (tmp_path / "table").read_text() == "a" and len(list(tmp_path.iterdir())) == 1
