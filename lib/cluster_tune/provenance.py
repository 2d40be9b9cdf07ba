"""Where the figures and tables of a page come from: a line under each, and a stamp that tells when the page is stale.

While a page is executed, its process notes which rows of `results`, and which data sets, its cells ask for. A figure or
table rests on what its own cell asked for and on what earlier cells put into the names that it uses; the line under it
says so. The stamp, in the
notebook's metadata, holds every question that was asked with the fingerprint of the answer, and digests of the cells
and of the library code that they reach (`reach`). To compare them executes nothing. Rows that a cell leaves out again
after it was given them still count as read.
"""

import ast
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import wraps
from html import escape
from inspect import signature
from itertools import product
from pathlib import Path
from types import ModuleType

import pandas as pd

from cluster_tune import datasets, design, launch, paths, reach, results
from cluster_tune.design import Run
from cluster_tune.errors import InputError

KEY = "cluster_tune"  # of a notebook's metadata, where the stamp is
TAG = "provenance"  # of the cells made here
SEEN = {"image/png", "image/svg+xml", "text/html"}  # an output with one of these is a figure or a table
FIRST = "import cluster_tune.provenance as _provenance\n_reads = _provenance.watch()"
LAST = "_provenance.report(_reads)"
VARIED = ("mlm_epochs", "n_clusters", "inter_epochs")  # what runs of the same keys may differ in
READERS = ("load", "of", "table", "published", "benchmark")  # of `results`
COMPUTING = ("cluster_tune.experiment", "cluster_tune.reference", "cluster_tune.few_labels")  # they read to know what is missing


# --- While a page is executed


def strip(notebook):
    """The notebook, in place, without the lines under its figures and tables."""
    notebook.cells = [cell for cell in notebook.cells if TAG not in cell.metadata.get("tags", [])]
    return notebook


def wrap(notebook):
    """The notebook, in place, with a first cell that starts the watch and a last one that reports."""
    from nbformat.v4 import new_code_cell

    notebook.cells = [new_code_cell(FIRST), *notebook.cells, new_code_cell(LAST)]
    return notebook


def unwrap(notebook) -> list[dict]:
    """Take the two cells out of an executed notebook, in place; returns what was read, in order."""
    reads = json.loads("".join(output.text for output in notebook.cells[-1].outputs if output.output_type == "stream"))
    notebook.cells = notebook.cells[1:-1]
    return reads


def watch() -> list[dict]:
    """From now on, and as long as this process lives, note what a notebook's cells read: a list that grows."""
    reads: list[dict] = []
    for name in READERS:
        _note(results, name, reads, lambda call, given, frame: {**as_call(call, given), **facts(frame, given.get("runs", ()))})
    _note(datasets, "load", reads, _as_data)
    return reads


def _note(module: ModuleType, name: str, reads: list[dict], describe: Callable[[str, dict, object], dict]) -> None:
    """Have calls of a function of a module add to `reads`, but for those that another noted function makes."""
    reader = getattr(module, name)

    @wraps(reader)
    def noting(*arguments, **keys):
        bound = signature(reader).bind(*arguments, **keys).arguments
        given = {key: list(value) if isinstance(value, Iterator) else value for key, value in bound.items()}
        given |= given.pop("keys", {})
        found, asker = None, _asker()
        try:
            found = reader(**given)
        finally:  # a page that copes with a gap in the store is stale once the gap is filled
            if asker:
                reads.append({**asker, **describe(name, given, found)})
        return found

    setattr(module, name, noting)


def _asker() -> dict | None:
    """The number of the notebook's cell that is asking and the line in it; None where another reader or a computing
    stage asks."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if name in COMPUTING or frame.f_code.co_name == "noting":
            return None
        if name == "__main__":
            return {"cell": len(frame.f_globals.get("In", [])) - 1, "line": frame.f_lineno}
        frame = frame.f_back
    return None


def report(reads: list[dict]) -> None:
    """Print what was noted as JSON."""
    print(json.dumps(reads))


def _as_data(call: str, given: Mapping, data) -> dict:
    """A data set that a cell loaded, described as rows are."""
    if data is None:
        return {"call": "data", "arguments": {}, **facts(None)}
    rows = sum(map(len, (data.train, data.dev, data.test)))
    return {"call": "data", "arguments": {"name": data.name}, "rows": rows, "fingerprint": data.fingerprint,
            "data": {data.name: [data.fingerprint]}, "encoder": [], "recipe": []}


def as_call(call: str, given: Mapping) -> dict:
    """A call of a reader of `results` as plain data, which `again` can make once more."""
    if call == "of":
        return {"call": call, "arguments": _as_grid(given["runs"])}
    return {"call": call, "arguments": {key: _plain(value) for key, value in given.items() if value is not None}}


def again(call: str, arguments: Mapping) -> pd.DataFrame:
    """Make a noted call once more."""
    if call == "of":
        rows = arguments["runs"] if "runs" in arguments else _rows(arguments)
        return results.of([Run(**dict(zip(results.KEYS, row, strict=True))) for row in rows])
    readers = {"load": results.load, "table": results.table, "published": results.published}
    return (readers | {"benchmark": results.benchmark})[call](**arguments)


def _plain(value):
    several = isinstance(value, Collection) and not isinstance(value, str)
    return [str(item) for item in value] if several else value if isinstance(value, bool) else str(value)


def _as_grid(runs: Iterable[Run]) -> dict:
    """Runs by the values of each key, where they are all that these values make; else one by one."""
    rows = [tuple(getattr(run, key) for key in results.KEYS) for run in runs]
    sides = {key: list(dict.fromkeys(values)) for key, values in zip(results.KEYS, zip(*rows, strict=True), strict=True)}
    return sides if set(_rows(sides)) == set(rows) else {"runs": [list(row) for row in rows]}


def _rows(sides: Mapping[str, list]) -> list[tuple]:
    """Every run that the values of each key make: with a clustering if its setting uses one, and else without."""
    rows = product(*(sides[key] for key in results.KEYS))
    setting, clustering = results.KEYS.index("setting"), results.KEYS.index("clustering")
    return [row for row in rows if row[setting].endswith("clust") == bool(row[clustering])]


def facts(frame: pd.DataFrame | None, runs: Collection[Run] = ()) -> dict:
    """What there is to say of rows: how many, their fingerprint, their data sets with theirs, encoders and recipes.

    For rows of runs, `wanted` is how many there would be: all `runs` that were asked for, or else all repetitions of
    every condition present. None stands for rows that were asked for and are not there.
    """
    if frame is None:
        return {"rows": 0, "fingerprint": "", "data": {}, "encoder": [], "recipe": []}
    said = {"rows": len(frame), "fingerprint": results.fingerprint(frame), "data": {}}
    if {"dataset", "data_fingerprint"} <= set(frame):
        pairs = frame[["dataset", "data_fingerprint"]].drop_duplicates().sort_values(["dataset", "data_fingerprint"])
        said["data"] = pairs.groupby("dataset")["data_fingerprint"].agg(list).to_dict()
    for column in ("encoder", "recipe"):
        said[column] = sorted(set(frame[column].dropna().astype(str)) - {""}) if column in frame else []
    if "run_id" in frame:
        keys = [key for key in (*results.KEYS, *VARIED) if key in frame and key != "repetition"]
        conditions = frame[keys].drop_duplicates()
        said["wanted"] = len(runs) or len(conditions) * len(design.REPETITIONS)
    return said


# --- What a figure or table rests on


def rests_on(cells: Iterable[tuple[int, str]], reads: Iterable[Mapping]) -> dict[int, list[dict]]:
    """Cell number -> the reads that what it shows rests on, for code `cells` of (number, source).

    A read belongs to the statement that asked for it, and to every name made from that statement on.
    """
    asked, carried, shown = defaultdict(list), defaultdict(list), {}
    for read in reads:
        asked[read["cell"]].append(read)
    for number, source in cells:
        shown[number] = []
        for statement in ast.parse(reach.python(source)).body:
            inside = range(statement.lineno, statement.end_lineno + 1)
            behind = [read for name in _names(statement, ast.Load) for read in carried[name]]
            behind += [read for read in asked[number] if read["line"] in inside]
            for name in _names(statement, ast.Store):
                carried[name] = _unique([*(carried[name] if isinstance(statement, ast.AugAssign) else ()), *behind])
            for name in _changed(statement):
                carried[name] = _unique([*carried[name], *behind])
            if not isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
                shown[number] = _unique([*shown[number], *behind])
    return shown


def _names(statement: ast.stmt, context: type) -> list[str]:
    return [n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, context)]


def _changed(statement: ast.stmt) -> Iterator[str]:
    """Names of which a part is assigned: `frame["a"] = ...`."""
    for node in ast.walk(statement):
        if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            yield from _names(node, ast.Load)


def _unique(reads: Iterable[dict]) -> list[dict]:
    """Each answer once, in the order of asking."""
    return list({(read["call"], json.dumps(read["arguments"]), read["fingerprint"]): read for read in reads}.values())


# --- The line under a figure or table


def annotate(notebook, reads: Iterable[Mapping], file: str, command: str) -> None:
    """Put a line under every figure and table of an executed and not yet cleaned notebook, in place."""
    from nbformat.v4 import new_markdown_cell

    sources = [(cell.execution_count, cell.source) for cell in notebook.cells if _executed(cell)]
    behind, cells = rests_on(sources, reads), []
    for cell in notebook.cells:
        cells.append(cell)
        if _executed(cell) and any(SEEN & set(output.get("data", {})) for output in cell.outputs):
            number = sum(before.cell_type == "code" for before in cells)  # as the cleaned page shows it
            text = line(behind[cell.execution_count], f"{file}, cell {number}", command)
            cells.append(new_markdown_cell(text, metadata={"tags": [TAG]}))
    notebook.cells = cells


def _executed(cell) -> bool:
    return cell.cell_type == "code" and cell.execution_count is not None


def line(reads: list[Mapping], where: str, command: str) -> str:
    """The line as HTML: one row of facts that opens to the rest."""
    reads = [read for read in reads if read["fingerprint"]]
    folded = [f"notebook <code>{_safe(where)}</code>", *map(_row, reads), f"again <code>{_safe(command)}</code>"]
    head = " · ".join(["Source", *_head(reads)])
    return (f'<details class="provenance tex2jax_ignore mathjax_ignore"><summary>{head}</summary>\n'
            + "<br>\n".join(folded) + "\n</details>")


def _head(reads: list[Mapping]) -> Iterator[str]:
    """The facts in sight: coverage, encoders, recipes, and one fingerprint of the data and one of the results."""
    if not reads:
        yield "this book's code alone, no results"
        return
    runs = [read for read in reads if "wanted" in read]
    yield ", ".join(_coverage(read) for read in runs or reads[:1]) + (" and more" if not runs and reads[1:] else "")
    for key in ("encoder", "recipe"):
        if values := sorted({value for read in reads for value in read[key]}):
            yield _safe(", ".join(values))
    if data := sorted({digits for read in reads for several in read["data"].values() for digits in several}):
        yield f"data {_joint(data)}"
    if stored := [read["fingerprint"] for read in reads if read["call"] != "data"]:
        yield f"results {_joint(stored)}"


def _coverage(read: Mapping) -> str:
    """How much was read: "40 of 60 runs", or the rows of another table."""
    if "wanted" in read:
        return f"{read['rows']} of {read['wanted']} runs"
    if read["call"] == "data":
        return f"{_safe(_kind(read))} ({read['rows']:,} texts)"
    return f"{_safe(_kind(read))} ({read['rows']:,} row{'s' * (read['rows'] != 1)})"


def _kind(read: Mapping) -> str:
    return {"load": "runs", "of": "runs"}.get(read["call"]) or read["arguments"].get("kind") or read["arguments"]["name"]


def _row(read: Mapping) -> str:
    """One read: its fingerprint, how much of what it is, and the fingerprint of each data set in it."""
    data = ", ".join(f"{_safe(name)} {' and '.join(d[:8] for d in digits)}" for name, digits in read["data"].items())
    if read["call"] == "data":
        return f"data {data}: {read['rows']:,} texts"
    return f"results {read['fingerprint'][:8]}: {_coverage(read)}" + (f" on data {data}" if data else "")


def _joint(digits: Collection[str]) -> str:
    """Eight digits: the one fingerprint's first, or those of all of them together."""
    if len(digits) == 1:
        return digits[0][:8]
    return hashlib.sha256(" ".join(digits).encode()).hexdigest()[:8]


def _safe(text: str) -> str:
    """Text inside the line: no HTML, and nothing that a notebook would take for a formula or the end of the block."""
    return escape(" ".join(text.split())).replace("$", "&#36;").replace("\\", "&#92;").replace("`", "&#96;")


# --- The stamp


def stamp(notebook, reads: Iterable[Mapping], template: str | None) -> dict:
    """What the notebook's metadata shall say: its template, digests of cells and code, and every read once."""
    cells = _cells(notebook)
    asked = [{key: read[key] for key in ("call", "arguments", "rows", "fingerprint")} for read in _unique(reads)
             if read["call"] != "data"]
    return {**({"template": template} if template else {}), "cells": _digest(cells), "code": _code(cells), "results": asked}


def open_page(file: Path):
    """A notebook from its file; InputError for one that is not there or broken."""
    import nbformat

    if not Path(file).is_file():
        raise InputError(f"there is no notebook '{file}'; give the path of one")
    try:
        return nbformat.read(file, as_version=4)
    except Exception as error:  # nbformat raises half a dozen unrelated types on a broken file
        raise InputError(f"cannot read notebook '{file}': {type(error).__name__}; restore or rewrite it") from None


def stale(file: Path) -> list[str]:
    """Why a page no longer shows what executing it would give, a few words each; nothing if it does."""
    notebook = open_page(file)
    noted = notebook.metadata.get(KEY)
    if noted is None:
        return ["it has no stamp"]
    cells = _cells(notebook)
    return [*_stale_cells(notebook, noted), *_stale_code(noted["code"], _code(cells)),
            *(() if _parameters(cells).get("compute") else _stale_results(noted["results"]))]


def _stale_cells(notebook, noted: Mapping) -> Iterator[str]:
    if noted["cells"] != _digest(_cells(notebook)):
        yield "its cells or parameters changed"
    if template := noted.get("template"):
        places = paths.root() / "notebooks", paths.book()  # the latter for a chapter that shows another encoder
        file = next((file for place in places if (file := place / f"{template}.ipynb").is_file()), None)
        if file is None or _text(open_page(file)) != _text(notebook):
            yield f"its template {template} changed"


def _stale_code(noted: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    if changed := sorted(module for module in noted.keys() | now.keys() if noted.get(module) != now.get(module)):
        yield f"code changed in {', '.join(changed)}"


def _stale_results(noted: Iterable[Mapping]) -> Iterator[str]:
    changed = []
    for read in noted:
        try:
            answer = results.fingerprint(again(read["call"], read["arguments"]))
        except InputError:  # there are no such rows
            answer = ""
        if answer != read["fingerprint"] and _kind(read) not in changed:
            changed.append(_kind(read))
    if changed:
        yield f"results changed: {', '.join(changed)}"


def _cells(notebook) -> list[str]:
    return [cell.source for cell in notebook.cells
            if cell.cell_type == "code" and launch.TAG not in cell.metadata.get("tags", [])]


def _text(notebook) -> list[str]:
    """All that a page has from its template: every cell but the title, the parameters it was given and our own."""
    first, *rest = [cell.source for cell in notebook.cells
                    if not {TAG, launch.TAG, "injected-parameters"} & set(cell.metadata.get("tags", []))]
    return [*first.splitlines()[1:], *rest]


def _parameters(cells: Iterable[str]) -> dict[str, bool]:
    """The names that cells set to a plain true or false."""
    nodes = [node for source in cells for node in ast.parse(reach.python(source)).body if isinstance(node, ast.Assign)]
    return {node.targets[0].id: node.value.value for node in nodes
            if isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, bool)}


def _code(cells: list[str]) -> dict[str, str]:
    return reach.digests(cells, _parameters(cells), [("provenance", "line")])  # which shapes every page


def _digest(cells: list[str]) -> str:
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:16]
