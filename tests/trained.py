"""What training comes to, for `make test`, which has just executed the template of data sets: its cells of training run, but their
outputs differ a little from machine to machine, and so nbval compares none of them. Here each accuracy must be near the stored one.
Asks the store that `CLUSTER_TUNE_RESULTS` names."""

import nbformat
import pytest

from cluster_tune import paths, results, tables

POINTS = 8  # of accuracy; one sample, a few hundred test texts, other processors


def stored() -> dict[tuple[str, str], float]:
    """(recipe, setting) -> accuracy in per cent, from the template's stored outputs."""
    notebook = nbformat.read(paths.root() / "notebooks" / "dataset.ipynb", as_version=4)
    (cell,) = (cell for cell in notebook.cells if "tables.learning_table" in cell.source)
    rows = [line.split() for line in cell.outputs[0].data["text/plain"].splitlines()[1:]]
    return {(recipe, setting): float(accuracy) for recipe, _, setting, accuracy, *_ in rows}


def test_every_accuracy_is_near_the_stored_one():
    runs = results.load("docstrings-small", "minilm")
    found = {(row.recipe, tables.TITLES[row.setting]): 100 * row.accuracy for row in runs.itertuples()}
    assert found == pytest.approx(stored(), abs=POINTS)
