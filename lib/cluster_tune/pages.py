"""A page of the book from a template: papermill executes it, `check` holds it, `clean` makes re-runs byte-identical.

A template is a notebook in `notebooks/` whose cell tagged `parameters` holds independent literals. This module leaves
out what a page says (the template's business), what it computes (`experiment`) and the build of the book (Jupyter
Book). papermill and nbformat are imported only where a page is made.
"""

import ast
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cluster_tune import datasets, encoders, launch, paths, provenance, reach
from cluster_tune.errors import InputError, unknown

MAX_LINES = 15  # of code in a cell; what is longer belongs in the library
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python", "pygments_lexer": "ipython3"}
KEPT = ("tags", "mystnb")  # of a cell's metadata: what changes how it is shown
LENIENT = "nbval-ignore-output"  # the tag of a cell whose output depends on the machine that trains
TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}")
# Inside the kernel: no progress bars in the outputs, no note about the debugger on the terminal.
QUIET = {"TQDM_DISABLE": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


def make(
    name: str,
    template: str = "dataset",
    out: str | Path | None = None,
    title: str | None = None,
    parameters: Mapping[str, object] | None = None,
    progress: bool = True,
) -> Path:
    """Execute `notebooks/<template>.ipynb`, or a chapter for another encoder, and write the page; returns where it is.

    The page is `book/datasets/<name>.ipynb` for the template `dataset` and `book/<name>.ipynb` for any other, unless
    `out` says otherwise. One of texts of the user's own lies beside their results, in `pages/`: the book lists its
    pages one by one, and an own file may have the name of one of them. So does one of a data set by another template
    than `dataset`, and one of another encoder than the template's own, in a folder of that encoder's name. A template with
    a parameter `dataset` receives `name` for it; so does one with `texts` or `names`, where `name` is a path or a data
    set's. Values in `parameters` may be text, as typed on a command line: they are read as the type of the template's
    default. `progress` shows one bar on stderr. An earlier page stays as it was until the new one is complete. A
    template may tag outputs of training as not to be compared; on a page made with its parameter `compute` off the tags
    go, since what is read from the store is the same everywhere.

    Raises InputError for an unknown template or parameter, a value of another type, an InputError inside the
    template, a page that fails `check` and a folder that cannot be written; any other error of a cell keeps its
    traceback.
    """
    source = find(template)
    values = arguments(source, name, parameters or {})
    target = Path(out) if out else _target(name, template, _other_encoder(source, values))
    if target.resolve() == source.resolve():
        raise InputError(f"'{paths.shown(source)}' is the book's own; cluster-tune refresh renews it, "
                         "--encoder makes it for another")
    folder = paths.writable(target.resolve().parent)
    heading = title or (_title(name) if template == "dataset" else None)
    notebook = _execute(source, values, progress, target, template)
    if heading:
        retitle(notebook, heading)
    if not {**defaults(source), **values}.get("compute", True):
        _compare_all(notebook)
    if problems := check(notebook):
        raise InputError(f"page '{name}' was not written: {problems[0]}; correct '{source.name}' or the library")
    write(folder / target.name, notebook)
    return target


def refresh(file: str | Path, progress: bool = True) -> Path:
    """Execute a notebook in place, as it is: a template with its default parameters, or a page of the book.

    A page gets its lines of provenance and its stamp (`provenance`), a template does not.
    The notebook stays as it was unless it runs through and passes `check`; errors are those of `make`.
    """
    file = Path(file)
    notebook = _execute(file, {}, progress, None if _is_template(file) else file, _template(file))
    if problems := check(notebook):
        raise InputError(f"'{file.name}' was not renewed: {problems[0]}; correct it or the library")
    write(file.resolve(), notebook)
    return file


def relaunch(files: Iterable[Path]) -> list[Path]:
    """Give every notebook the first cell that fits the repository's address, executing nothing; those that changed."""
    before = {file: file.read_text("utf-8") for file in files}
    for file in before:
        write(file, clean(launch.put(provenance.open_page(file))))
    return [file for file, text in before.items() if file.read_text("utf-8") != text]


# --- templates and their parameters

def find(template: str) -> Path:
    """The template's file, or that of a chapter with parameters; InputError naming the nearest one if there is none."""
    folder = paths.root() / "notebooks"
    file = folder / f"{template}.ipynb"
    if file.is_file():
        return file
    if not is_chapter(template):
        raise unknown("template", template, [*(f.stem for f in folder.glob("*.ipynb")), *chapters()])
    return paths.book() / f"{template}.ipynb"


def is_chapter(name: str) -> bool:
    """Whether the book has a chapter of that name which can show another encoder's results: one with a parameter for it that was
    not made from a template itself."""
    file = paths.book() / f"{name}.ipynb"
    return file.is_file() and _template(file) is None and set(defaults(file)) == {"encoder"}


def chapters() -> list[str]:
    """The names of all such chapters."""
    return sorted(file.stem for file in paths.book().glob("*.ipynb") if is_chapter(file.stem))


def defaults(template: Path) -> dict[str, object]:
    """The parameters of a template and their default values, in the order of its `parameters` cell."""
    cells = [c for c in provenance.open_page(template).cells if "parameters" in c.metadata.get("tags", [])]
    if len(cells) > 1:
        raise InputError(f"'{template.name}' has {len(cells)} cells tagged 'parameters'; leave one")
    statements = ast.parse(cells[0].source).body if cells else []
    try:
        return {_name(s): ast.literal_eval(s.value) for s in statements}
    except (AttributeError, ValueError):
        raise InputError(f"'{template.name}': parameters must be plain literals, one name each") from None


def arguments(template: Path, name: str, parameters: Mapping[str, object]) -> dict[str, object]:
    """What to pass to papermill: `parameters` checked and converted, and `name` as `dataset` where there is one."""
    known = defaults(template)
    given = {**_data(name, template.stem, known), **parameters}
    for key in given:
        if key not in known:
            raise unknown("parameter", key, known)
    return {key: convert(key, value, known[key]) for key, value in given.items()}


def _data(name: str, template: str, known: Mapping[str, object]) -> dict[str, object]:
    """The parameter that says which texts a page is about: none for a chapter's name. InputError for texts where the
    template has no such parameter."""
    if "dataset" in known:
        return {"dataset": _absolute(name)}
    if not _is_texts(name, template):
        return {}
    whole = {"texts": _absolute(name), "names": [_absolute(name)]}
    if known.keys().isdisjoint(whole):
        raise InputError(f"template '{template}' takes no data set such as '{name}'; choose another template, or make it under "
                         f"its own name, '{template}'")
    return {key: value for key, value in whole.items() if key in known}


def _is_texts(name: str, template: str) -> bool:
    """Whether a page's name says which texts it is about: a path or the name of a data set, but for a page called as its
    template is, which is a chapter."""
    return name != template and (name in datasets.REGISTRY or datasets.is_path(name) or datasets.is_own(name))


def convert(key: str, value: object, default: object) -> object:
    """`value` as the type of `default`: text is parsed ('3e-5', 'false', '64,128'), other values are only checked.

    A default of None takes anything. A sequence becomes a list, the one kind that papermill writes into a page.
    Raises InputError where the value does not fit.
    """
    try:
        return _parse(value, default) if isinstance(value, str) else _fit(value, default)
    except (TypeError, ValueError):
        raise InputError(f"parameter '{key}' takes {_wanted(default)}, not '{value}'; correct the value") from None


def _parse(text: str, default: object) -> object:
    if isinstance(default, str) or default is None:
        return text
    if isinstance(default, bool):
        return _fit(TRUTH.get(text.strip().lower()), default)
    if isinstance(default, (int, float)):
        return type(default)(text)
    if isinstance(default, (list, tuple)):
        items = [item.strip(" '\"") for item in text.strip(" ()[]").split(",")]
        return [_parse(item, default[0]) if default else _literal(item) for item in items if item]
    return _fit(ast.literal_eval(text), default)


def _literal(text: str) -> object:
    """A number as a number and anything else as text: an empty default does not say what it holds. A number that would
    not be written as it was given, such as 1e3, stays text, which may be a class's name."""
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text
    return value if str(value) == text else text


def _fit(value: object, default: object) -> object:
    """`value` if it is of the type of `default`, for a sequence item by item; TypeError if not."""
    if default is None:
        return value
    if isinstance(default, (list, tuple)) and isinstance(value, (list, tuple)):
        return [_fit(item, default[0] if default else None) for item in value]
    wider = type(default) is float and type(value) is int
    if type(value) is not type(default) and not wider:
        raise TypeError
    return type(default)(value)


def _wanted(default: object) -> str:
    if isinstance(default, (list, tuple)):
        return f"values like {default!r}"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "text"}.get(
        type(default), f"a value like {default!r}")


def _name(statement: ast.stmt) -> str:
    """The one name that an assignment binds; AttributeError for anything else."""
    target = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
    return target.id


def _absolute(name: str) -> str:
    """A path in full, since the page's kernel may run in another folder; a data set's name as it is."""
    return str(Path(name).resolve()) if datasets.is_path(name) else name


# --- execution

def _execute(source: Path, values: dict[str, object], progress: bool, page: Path | None, template: str | None):
    """The executed and cleaned notebook. papermill reads and writes in a scratch folder, never the page.

    What is to become the `page` of a book is watched, to say under each figure and table where it comes from.
    """
    notebook = launch.strip(provenance.strip(provenance.open_page(source)))
    if page is None:
        return clean(launch.put(_run(notebook, source, values, progress)))
    notebook = _run(provenance.wrap(notebook), source, values, progress)
    reads = provenance.unwrap(notebook)
    name = paths.shown(page)
    first_run = page.resolve() == (paths.book() / "first_run.ipynb").resolve()
    provenance.annotate(notebook, reads, name, "make book" if first_run else f"cluster-tune refresh {shlex.quote(name)}")
    notebook.metadata[provenance.KEY] = provenance.stamp(notebook, reads, template)
    return clean(launch.put(notebook))


def _run(notebook, source: Path, values: dict[str, object], progress: bool):
    """What papermill makes of a notebook; `source` is its name for those who read an error."""
    import papermill
    import tqdm.auto  # noqa: F401 (papermill would import it where TQDM_DISABLE is set, which it reads then, once for all)
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    with tempfile.TemporaryDirectory() as scratch, _environment(QUIET):
        start, end = Path(scratch, source.name), Path(scratch, "page.ipynb")
        start.write_text(_text(notebook), encoding="utf-8")
        try:
            return papermill.execute_notebook(
                str(start), str(end), values, kernel_name="python3", language="python",
                progress_bar=progress and sys.stderr.isatty(), extra_arguments=["--IPKernelApp.log_level=CRITICAL"])
        except PapermillExecutionError as error:
            if error.ename == InputError.__name__:
                raise InputError(error.evalue) from None
            raise
        except DeadKernelError:
            raise InputError(f"the process that runs '{source.name}' died, most likely for want of memory; "
                             "free some or choose a smaller run") from None


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, which a kernel inherits, and put back what was there."""
    before = {key: os.environ.get(key) for key in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})


# --- cleaning and checking

def clean(notebook):
    """Take out of an executed notebook, in place, all that differs between two runs alike; returns it.

    Gone are times, papermill's and the kernel's metadata (the page's own stamp stays), widget state and random cell
    ids; adjacent pieces of one stream, cut wherever the kernel happened to flush, are joined. An injected parameters
    cell stays in sight, and the defaults it overrides fold away. A picture's alternative text is repeated in its cell's
    metadata, the one place where the book's builder looks for it.
    """
    stamp = {key: notebook.metadata[key] for key in (provenance.KEY,) if key in notebook.metadata}
    notebook.metadata = type(notebook.metadata)(**stamp, kernelspec=dict(KERNEL), language_info=dict(LANGUAGE))
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    injected = any("injected-parameters" in c.metadata.get("tags", []) for c in notebook.cells)
    count, place = 0, -1
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", []))
        place += not tags & {provenance.TAG, launch.TAG}
        cell.id = f"cell-{place}-source" if provenance.TAG in tags else launch.TAG if launch.TAG in tags else f"cell-{place}"
        cell.metadata = type(cell.metadata)({key: cell.metadata[key] for key in KEPT if cell.metadata.get(key)})
        if injected and "parameters" in cell.metadata.get("tags", []):
            cell.metadata.tags = sorted({*cell.metadata.tags, "hide-cell"})
        if cell.cell_type == "code" and launch.TAG not in tags:
            count += 1
            _clean_code(cell, count)
    return notebook


def _clean_code(cell, count: int) -> None:
    """Number an executed cell by its place; join its streams; drop widgets, whose state is not kept."""
    cell.execution_count = count if cell.execution_count else None
    kept = []
    for output in cell.outputs:
        if output.output_type == "execute_result":
            output.execution_count = cell.execution_count
        if output.output_type == "stream" and kept and kept[-1].get("name") == output.name:
            kept[-1].text += output.text
        elif "application/vnd.jupyter.widget-view+json" not in output.get("data", {}):
            kept.append(output)
    cell.outputs = kept
    if alt := " ".join(filter(None, map(_alt, kept))):
        cell.metadata["mystnb"] = {**cell.metadata.get("mystnb", {}), "image": {"alt": alt}}


def _alt(output) -> str:
    """The alternative text of an output's picture; '' if it has none."""
    return output.get("metadata", {}).get("image/png", {}).get("alt", "")


def check(notebook) -> list[str]:
    """What keeps a notebook from being a page, one line each: a cell not executed, an error, anything on stderr, an
    output tied to one process or machine, a function or class defined in a cell, a cell over 15 lines of code."""
    found = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and cell.source.strip():
            found += [f"cell {index} {problem}" for problem in (*_style(cell.source), *_outputs(cell))]
    return found


def _style(source: str) -> Iterator[str]:
    lines = [line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) > MAX_LINES:
        yield f"has {len(lines)} lines of code, more than {MAX_LINES}"
    if any(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in ast.walk(ast.parse(reach.python(source)))):
        yield "defines a function or a class, which belongs in the library"


def _outputs(cell) -> Iterator[str]:
    if cell.execution_count is None:
        yield "was not executed"
    for output in cell.outputs:
        text = str(output.get("text", "")) + str({k: v for k, v in output.get("data", {}).items() if "image" not in k})
        if output.output_type == "error":
            yield f"fails: {output.ename}: {output.evalue}"
        elif output.get("name") == "stderr":
            yield f"writes to stderr: {output.text.strip().splitlines()[0][:200]}"
        elif ADDRESS.search(text):
            yield "shows a memory address, which changes from run to run"
        elif str(paths.root()) in text:
            yield "shows a path of this machine"


def _compare_all(notebook) -> None:
    """Have every output compared when the page is tested."""
    for cell in notebook.cells:
        if tags := [tag for tag in cell.metadata.pop("tags", []) if tag != LENIENT]:
            cell.metadata["tags"] = tags


def retitle(notebook, title: str) -> None:
    """Write `title` as the heading of the first markdown cell, in place; made first if the notebook has none.

    A heading printed by a code cell is no title to Jupyter Book, so it must stand in the source. The theme repeats a
    title in places where it does not escape it, so angle brackets become guillemets.
    """
    heading = "# " + re.sub(r"([\\`*_\[\]{}#$&|~^])", r"\\\1", _plain(title))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            lines = cell.source.splitlines()
            cell.source = "\n".join([heading, *(lines[1:] if lines and lines[0].startswith("# ") else ["", *lines])])
            return
    raise InputError("a template needs a markdown cell for its title; add one")


def _plain(title: str, longest: int = 120) -> str:
    """A title on one line, of printable characters, in which nothing opens an element of HTML."""
    printable = "".join(c if c.isprintable() else " " for c in title.translate({ord("<"): "‹", ord(">"): "›"}))
    return " ".join(printable.split())[:longest]


def fill(document: Path, slot: str, text: str) -> bool:
    """Put `text` between `<!-- slot -->` and `<!-- /slot -->` of a Markdown document; whether that changed it."""
    before = document.read_text("utf-8")
    start, end = f"<!-- {slot} -->", f"<!-- /{slot} -->"
    if before.count(start) != 1 or before.count(end) != 1:
        raise InputError(f"'{document}' has no lines '{start}' and '{end}'; put them where the text is to stand")
    head, rest = before.split(start)
    after = f"{head}{start}\n{text}\n{end}{rest.split(end)[1]}"
    _replace(document, after)
    return after != before


# --- files

def _target(name: str, template: str, encoder: str = "") -> Path:
    """Where a page goes: into the book if that may be about it, and else beside the results of one's own texts, under
    the name that the store has for them, or of an encoder that is not the book's. The book has one page of a data set."""
    of_data = template == "dataset"
    kind = f"-{template}" if not of_data and _is_texts(name, template) else ""
    if encoder or kind or (of_data and name not in datasets.REGISTRY):
        return paths.results() / "pages" / encoder / f"{datasets.name_of(name)}{kind}.ipynb"
    return paths.book() / ("datasets" if of_data else "") / f"{name}.ipynb"


def _other_encoder(template: Path, values: Mapping[str, object]) -> str:
    """The encoder that a page is asked for, as the name of a folder; '' for the template's own."""
    usual = defaults(template).get("encoder", "")
    asked = str(values.get("encoder", usual))
    return "" if asked == usual else re.sub(r"^\.+|[^\w.-]+", "-", encoders.name_of(asked))


def _is_template(file: Path) -> bool:
    return file.resolve().parent == (paths.root() / "notebooks").resolve()


def _template(page: Path) -> str | None:
    """The template that a page says it was made from."""
    return provenance.open_page(page).metadata.get(provenance.KEY, {}).get("template")


def _title(name: str) -> str:
    """The title that the registry has for a data set, or the name of the user's own file, folder or data set."""
    if datasets.is_path(name):
        return datasets.stem(name)
    return name if datasets.is_own(name) else datasets.info(name).title


def _text(notebook) -> str:
    import nbformat

    return nbformat.writes(notebook).rstrip("\n") + "\n"


def write(target: Path, notebook) -> None:
    """Put a notebook in place whole or not at all."""
    _replace(target, _text(notebook))


def _replace(target: Path, text: str) -> None:
    """Put `text` in place whole or not at all; a page that already reads so keeps its time of change."""
    if target.is_file() and target.read_text("utf-8") == text:
        return
    with paths.replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
