"""Which code of this package a notebook's cells reach, and a digest of it that formatting and comments do not change.

Sources are read, nothing is imported or run. From the names that the cells use, every function, class and constant
that those use in turn is followed, across modules. What is only reached by a computed name (`getattr`) is left out;
the package has no such call. A module with a C file of its name takes all of that, comments aside.
"""

import ast
import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

PACKAGE = "cluster_tune"
FOLDER = Path(__file__).parent
# What these serve is compared row by row, so how they serve it is not.
READERS = {("results", name) for name in ("load", "of", "table", "published", "benchmark")}
SILENT = {"errors"}  # says what went wrong, and a page where anything did is not written

Name = tuple[str, str]  # a module of ours and a name in it


def digests(sources: Iterable[str], settled: Mapping[str, bool] | None = None, also: Collection[Name] = ()) -> dict[str, str]:
    """Module -> eight hexadecimal digits for the parts of it that cells with these `sources` reach, or that `also` do.

    `settled` gives names whose truth is known: of `if compute:` only the branch taken counts.
    """
    cells = _Module(_prune(ast.parse("\n".join(python(source) for source in sources)), settled or {}))
    found: set[Name] = set()
    waiting = [*cells.used(cells.tree), *also]
    while waiting:
        name = waiting.pop()
        if name in found or name in READERS or name[0] in SILENT:
            continue
        if name[1] in (module := module_of(name[0])).parts:
            found.add(name)
            waiting += [after for part in module.parts[name[1]] for after in module.used(part, name[0])]
    named = defaultdict(list)
    for module, name in sorted(found):
        named[module] += [name, *map(_written, module_of(module).parts[name])]
    for module in named:
        named[module] += _compiled(module)
    return {module: hashlib.sha256("\n".join(texts).encode()).hexdigest()[:8] for module, texts in named.items()}


def python(source: str) -> str:
    """A cell without the lines that are IPython's and not Python's."""
    return "\n".join("" if line.startswith(("%", "!")) else line for line in source.splitlines())


class _Module:
    """A module's top-level statements by the names they bind, and what its imports stand for."""

    def __init__(self, tree: ast.Module):
        self.tree, self.parts = tree, defaultdict(list)
        for statement in _statements(tree.body):
            for name in _bound(statement):
                self.parts[name].append(statement)
        self.imports = _imports(_statements(tree.body))

    def used(self, part: ast.AST, own: str | None = None) -> Iterator[Name]:
        """The names of ours that a part uses, imports inside it included; `own` is the module it stands in."""
        imports = self.imports | _imports(ast.walk(part))
        for node in ast.walk(part):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                target = imports.get(node.value.id)
                if target and not target[1]:
                    yield target[0], node.attr
            elif isinstance(node, ast.Name):
                target = imports.get(node.id, (own, node.id))
                if target[0] and target[1]:
                    yield target


@cache
def module_of(name: str) -> _Module:
    file = FOLDER / f"{name}.py"
    return _Module(ast.parse(file.read_text("utf-8") if file.is_file() else ""))


def _compiled(module: str) -> list[str]:
    """The words of the C code that is compiled for a module, if there is any."""
    file = FOLDER / f"{module}.c"
    return re.sub(r"/\*.*?\*/", " ", file.read_text("utf-8"), flags=re.DOTALL).split() if file.is_file() else []


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Top-level statements, those under a top-level `if`, `try` or `with` included."""
    for statement in body:
        yield statement
        for branch in ("body", "orelse", "finalbody", "handlers"):
            if isinstance(statement, (ast.If, ast.Try, ast.With, ast.ExceptHandler)):
                yield from _statements(getattr(statement, branch, []))


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement makes, or, as an expression such as `REGISTRY.update(...)`, changes."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from (n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))
    elif isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant):
        yield from (n.id for n in ast.walk(statement) if isinstance(n, ast.Name))


def _imports(nodes: Iterable[ast.AST]) -> dict[str, tuple[str, str]]:
    """Name in a file -> module of ours and the name in it, '' where the name stands for the module itself."""
    found = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
            found |= {alias.asname or alias.name: (alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
            module = node.module.removeprefix(f"{PACKAGE}.")
            found |= {alias.asname or alias.name: (module, alias.name) for alias in node.names}
    return found


def _prune(tree: ast.Module, settled: Mapping[str, bool]) -> ast.Module:
    """Without the branches of `if NAME:` that are not taken."""
    body = []
    for statement in tree.body:
        if isinstance(statement, ast.If) and isinstance(statement.test, ast.Name) and statement.test.id in settled:
            body += statement.body if settled[statement.test.id] else statement.orelse
        else:
            body.append(statement)
    tree.body = body
    return tree


def _written(node) -> str:
    """A syntax tree as text: no positions, comments or docstrings, and the same under every version of Python."""
    if isinstance(node, list):
        return f"[{','.join(map(_written, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [(name, value) for name, value in ast.iter_fields(node)
              if value is not None and value != [] and name not in ("kind", "type_comment", "type_params")]
    if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)) and ast.get_docstring(node) is not None:
        fields = [(name, value[1:] if name == "body" else value) for name, value in fields]
    return f"{type(node).__name__}({','.join(f'{name}={_written(value)}' for name, value in fields)})"
