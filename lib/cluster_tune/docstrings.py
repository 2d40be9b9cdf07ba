"""The embedded corpus: what ten installed packages say about their own code; the label is the package.

Real text that every installation already has. Sources are read with `ast` and nothing of theirs is imported or run.
Left out: tests and vendored code, everything after the opening paragraphs (parameters, examples, references), and
the packages' names, which are masked so that a text does not give its label away. The cache is `datasets`' business.
"""

import ast
import hashlib
import inspect
import re
import warnings
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from cluster_tune.errors import InputError

# Import name of the package: name of its distribution.
PACKAGES = {
    "matplotlib": "matplotlib",
    "networkx": "networkx",
    "numpy": "numpy",
    "pandas": "pandas",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "sphinx": "sphinx",
    "sympy": "sympy",
    "torch": "torch",
    "transformers": "transformers",
}
SETTINGS = {"format": 3, "paragraphs": 3, "max_words": 100, "min_words": 8, "same_words": 12, "pool": 3}
MASK = "library"

_SKIPPED = {
    "array_api_compat", "array_api_extra", "conftest.py", "extern", "externals", "_external", "test", "testing",
    "_testing", "tests", "third_party", "_vendor", "vendor",
}  # fmt: skip
_NAMES = re.compile(
    r"scikits?[-_ ]?learn|hugging[ -]?face|numpy|scipy|sklearn|pandas|matplotlib|pytorch|torch|transformers|sympy"
    r"|networkx|sphinx|pyplot|pylab|(?<![^\W_])(?:np|pd|plt|mpl|sp|sk|nx)(?![^\W_])",
    re.IGNORECASE,
)
_MARKUP = [
    (re.compile(r"\[\w+\]_|\|\w+\|_?|\[\[?\w*\]\]"), ""),  # footnotes, substitutions
    (re.compile(r"\[`([^`]*)`\](?:\([^)]*\))?"), r"`\1`"),  # transformers' links to objects
    (re.compile(r"\[([^\]\[]+)\]\([^)]*\)"), r"\1"),  # Markdown links
    (re.compile(r":(?:\w+:)?\w+:`[~!]?([^`<]*?)\s*(?:<[^`]*>)?`"), r"\1"),  # roles
    (re.compile(r"`([^`<]+?)\s*<[^`]*>`__?"), r"\1"),  # reST links
    (re.compile(r"<?https?://[^\s)>\]]+>?"), ""),
    (re.compile(r"`+[~.]?([^`]*)`+_{0,2}"), r"\1"),
    (re.compile(r"\\(?=s\b)|%\(\w+\)s"), ""),  # an escaped plural, a placeholder for shared text
    (re.compile(r"(?<!\w)\*{1,2}([^*\s](?:[^*]*[^*\s])?)\*{1,2}(?!\w)"), r"\1"),
    (re.compile(r"::(?=\s|$)"), ":"),
    (re.compile(r"\s+"), " "),
]
_RULE = re.compile(r"^\s*([=\-~^*#\"'`+])\1{2,}\s*$")
_SECTION = re.compile(
    r"^\s*(?:\*\*)?(?:args|arguments|attributes?|call arguments|examples?|inputs?|keyword args|keyword arguments"
    r"|methods|notes?|other parameters|outputs?|params|parameters?|raises|references|return|returns|see also|shape"
    r"|todo|tips|usage|usage examples?|warnings?|yields?)(?:\*\*)?\s*:{1,2}(?:\*\*)?\s*(?:$|\S)",
    re.IGNORECASE,
)
_END = re.compile(
    r"^\s*(?:>>>|\w+ \([^)]*\)\s*:|In \[\d+\]|```|@param|\$ "
    r"|:(?:param|type|returns?|rtype|raises|arg|args|keyword)\b)"
)
_NOT_PROSE = re.compile(
    r"^\s*(?:\.\. |[-*+•] |\|.*\||\+[-=]+\+|<|#|\(?\d+[.)] |:\w+:(?!`)|[\w.]+\s*:\s*$|-----|=====)"
)
_TITLES = {"explanation", "description", "overview", "introduction", "summary"}


def collect(per_package: int | None = 700, seed: int = 0, packages: Iterable[str] = tuple(PACKAGES)) -> pd.DataFrame:
    """Texts and labels, the same number from every package, in a seeded order: columns `text` and `label`.

    At most `per_package` of each; fewer, for all alike, where the smallest package has fewer. The same versions of
    the packages and the same seed give the same rows. InputError if a package is not installed.
    """
    roots = {name: _folder(name) for name in packages}
    wanted = per_package or 10**9
    pools = {name: _pool(root, SETTINGS["pool"] * wanted, seed) for name, root in roots.items()}
    shared = Counter(key for pool in pools.values() for key in pool)
    kept = {name: [text for key, text in pool.items() if shared[key] == 1] for name, pool in pools.items()}
    size = min(wanted, *map(len, kept.values()))
    rows = [(text, name) for name, texts in kept.items() for text in _drawn(texts, seed)[:size]]
    order = _drawn([text for text, _ in rows], seed + 1)
    return pd.DataFrame(rows, columns=["text", "label"]).set_index("text").loc[order].reset_index()


def versions() -> dict[str, str]:
    """The installed version of each package; InputError naming those that are missing."""
    found, missing = {}, []
    for name, distribution in PACKAGES.items():
        try:
            found[name] = version(distribution)
        except PackageNotFoundError:
            missing.append(distribution)
    if missing:
        raise _missing(missing)
    return found


def opening(docstring: str) -> str:
    """The opening paragraphs of a docstring as plain, masked text; '' where it has no prose."""
    words = []
    for taken, paragraph in enumerate(_paragraphs(docstring), 1):
        words += clean(paragraph).split()
        if taken == SETTINGS["paragraphs"] or len(words) >= SETTINGS["max_words"]:
            break
    return " ".join(words[: SETTINGS["max_words"]])


def clean(text: str) -> str:
    """Text without reST and Markdown markup, on one line, with the packages' names masked."""
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return mask(text).strip()


def mask(text: str) -> str:
    """Every name and usual alias of the ten packages replaced by one neutral word."""
    return _NAMES.sub(MASK, text)


def _paragraphs(docstring: str) -> Iterator[str]:
    """The paragraphs of prose up to the first section, doctest or table of parameters."""
    blocks = re.split(r"\n[ \t]*\n", inspect.cleandoc(docstring))
    for position, block in enumerate(blocks):
        lines = block.strip("\n").splitlines()
        if any(map(_RULE.match, lines)):
            lines = _below_title(lines, first=position == 0)
            if lines is None:
                return
        if any(_END.match(line) or _SECTION.match(line) for line in lines[:1]):
            return
        stop = next((i for i, line in enumerate(lines) if _END.match(line) or _SECTION.match(line)), len(lines))
        lines = lines[:stop]
        if lines and not _NOT_PROSE.match(lines[0]) and not lines[0].startswith("   "):
            yield " ".join(lines)


def _below_title(lines: list[str], first: bool) -> list[str] | None:
    """A block with a ruled title: without the rules at the very top, without the title if it only says that an
    explanation follows, None where a section begins."""
    rule = next(i for i, line in enumerate(lines) if _RULE.match(line))
    rest = [line for line in lines if not _RULE.match(line)]
    title = lines[rule - 1].strip().lower() if rule else (rest[0].strip().lower() if rest else "")
    if title in _TITLES:
        return rest[1:]
    ends = title.rstrip("s") in {"parameter", "return", "example", "attribute", "note", "reference", "see also"}
    return rest if first and not ends else None


def _pool(root: Path, enough: int, seed: int) -> dict[str, str]:
    """Distinct texts of one package, key to text, from its files in a seeded order until there are `enough`."""
    files = [path.relative_to(root) for path in root.rglob("*.py")]
    files = [path.as_posix() for path in files if not _SKIPPED.intersection(path.parts)]
    pool = {}
    for file in _drawn(files, seed):
        for docstring in _docstrings(root / file):
            text = opening(docstring)
            if len(text.split()) >= SETTINGS["min_words"]:
                pool.setdefault(_key(text), text)
        if len(pool) >= enough:
            break
    return pool


def _drawn(names: Iterable[str], seed: int) -> list[str]:
    """In a random order that a file or text more or less on another platform hardly changes: by seeded hashes."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode("utf-8", "replace")).digest())


def _key(text: str) -> str:
    """What near-duplicates share: the first words, without identifiers, digits, case and punctuation."""
    plain = re.sub(r"\b\w*(?:[a-z][A-Z]|_|\d)\w*\b", "x", text)
    return " ".join(re.findall(r"[^\W\d_]+", plain.lower())[: SETTINGS["same_words"]])


def _docstrings(path: Path) -> Iterator[str]:
    """The docstrings of a source file, in the order of the file; none where it does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # invalid escapes in other people's sources
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in _statements(tree):
        can_have_one = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        if can_have_one and (docstring := ast.get_docstring(node, clean=False)):
            yield docstring


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """`ast.walk` without the expressions, which are most of a tree and hold no docstring."""
    queue = deque([tree])
    while queue:
        node = queue.popleft()
        for block in ("body", "handlers", "orelse", "finalbody", "cases"):
            queue.extend(getattr(node, block, ()))
        yield node


def _folder(name: str) -> Path:
    """Where an installed package's sources lie; looking up a top-level name does not import it."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise _missing([PACKAGES.get(name, name)])
    return Path(next(iter(spec.submodule_search_locations)))


def _missing(distributions: list[str]) -> InputError:
    names = ", ".join(distributions)
    return InputError(f"the docstrings corpus needs {names}; install with: pip install 'cluster-tune[embedded]'")
