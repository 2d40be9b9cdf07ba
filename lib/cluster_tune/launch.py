"""What a page needs to run where only the page is, on Colab for one: a first cell that fetches the book and installs it.

The repository's address stands in one place, `repository: url` of `_config.yml`. While it is empty there is no such
cell and the book shows no launch buttons (`book/_ext/launch_buttons.py`). The cell is not shown in the book, and where
the package is installed it does nothing.
"""

from cluster_tune import paths
from cluster_tune.errors import InputError

TAG = "launch"
CHECKOUT = "cluster-tune-book"
SOURCE = """\
# Where only this notebook is, on Colab for one, this fetches the book and installs what its pages need.
import importlib.util
import os

if importlib.util.find_spec("cluster_tune") is None:
    get_ipython().system("git clone --quiet --depth 1 --branch {branch} {url} {checkout}")
    get_ipython().system("pip install --quiet './{checkout}[embedded]'")
    os.chdir("{checkout}")
    importlib.invalidate_caches()"""


def address() -> tuple[str, str]:
    """The repository's address and branch as `_config.yml` has them; '' where there is none yet."""
    given = paths.settings("_config.yml").get("repository") or {}
    if not isinstance(given, dict):
        raise InputError(f"repository is '{given}' in _config.yml; give it two lines of its own, 'url:' and 'branch:'")
    url, branch = (str(given.get(key) or "").strip().rstrip("/") for key in ("url", "branch"))
    # Both reach a shell.
    plain = {text: text.isprintable() and not set(text) & set(" '\"\\`$;&|<>(){}") for text in (url, branch)}
    if url and not (url.startswith("https://") and plain[url]):
        raise InputError(f"repository url '{url}' in _config.yml is not a web address; give one such as "
                         "https://github.com/NAME/REPOSITORY")
    if not plain[branch] or branch.startswith("-"):
        raise InputError(f"repository branch '{branch}' in _config.yml is no name of a branch; give one such as main")
    return url, branch or "main"


def strip(notebook):
    """The notebook, in place, without the cell."""
    notebook.cells = [cell for cell in notebook.cells if TAG not in cell.metadata.get("tags", [])]
    return notebook


def put(notebook):
    """Give a notebook, in place, the cell that fits the address: after its title, or none while there is no address."""
    from nbformat.v4 import new_code_cell

    url, branch = address()
    strip(notebook)
    if url:
        source = SOURCE.format(url=url, branch=branch, checkout=CHECKOUT)
        cell = new_code_cell(source, id=TAG, execution_count=0, metadata={"tags": [TAG, "remove-cell"]})
        notebook.cells.insert(1, cell)
    return notebook
