"""Who imports whom: the list of CONTRIBUTING.md, read out of the sources, imports inside functions included."""

import ast
import graphlib
import subprocess
import sys

import nbformat
import pytest

import cluster_tune
from cluster_tune import paths

# Everyone may also import `errors` and the package's version. No arrow points back.
IMPORTS = {
    "errors": "",
    "paths": "",
    "design": "",
    "stats": "",
    "text": "",
    "inference": "",
    "training": "inference",
    "docstrings": "",
    "sampling": "",
    "baselines": "",
    "_loops": "",
    "datasets": "paths docstrings",
    "encoders": "paths",
    "glove": "paths datasets",
    "clustering": "_loops",
    "stacked": "inference training",
    "intertraining": "paths training stacked",
    "finetuning": "training stacked design",
    "claims": "paths",
    "results": "paths design claims",
    "reference": "paths claims design datasets glove text clustering baselines sampling results stats progress",
    "few_labels": "paths claims design datasets encoders glove text sampling training finetuning reference results stats "
                  "tables sentences progress",
    "experiment": "paths claims design datasets encoders text sampling training stacked intertraining finetuning glove reference "
                  "results stats progress",
    "tables": "stats",
    "sentences": "stats tables",
    "verdicts": "paths design datasets text clustering results stats tables sentences",
    "figures": "stats tables",
    "viewer": "tables figures",
    "explore": "design datasets encoders sampling training intertraining finetuning reference stats tables sentences",
    "labelling": "paths design datasets encoders training finetuning intertraining reference results stats progress",
    "reach": "",
    "worked": "text",
    "launch": "paths",
    "citation": "paths",
    "provenance": "paths design datasets results reach launch",
    "pages": "paths datasets encoders provenance launch reach",
    "__main__": "paths design datasets encoders glove clustering reference experiment results tables figures pages "
                "progress processes verdicts few_labels labelling provenance launch citation stats sentences",
    "progress": "",
    "processes": "claims design training experiment progress",
}
IN_NOTEBOOKS = set("paths design datasets reference experiment results stats tables sentences figures viewer few_labels explore "
                   "worked".split())
HEAVY = {"torch": set("inference training stacked encoders intertraining finetuning experiment explore labelling".split()),
         "papermill": {"pages"}}
# What must work where torch does not:
LIGHT = "explore stats design reference results tables sentences figures viewer reach provenance pages datasets verdicts".split()
LIGHT += ["__main__", "worked", "launch", "citation"]

FOLDER = paths.root() / "lib" / "cluster_tune"
MODULES = sorted(file.stem for file in FOLDER.glob("*.py") if file.stem != "__init__")


def imported(source: str) -> set[str]:
    """Every name that `source` imports, dotted."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports within the package are written in full"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def of_ours(source: str) -> set[str]:
    """The modules of this package that `source` imports, but for `errors` and names of the package itself."""
    parts = {tuple(name.split(".")[1:2]) for name in imported(source) if name.split(".")[0] == "cluster_tune"}
    return {part[0] for part in parts if part and part[0] in MODULES} - {"errors"}


def test_imported_reads_late_and_dotted_imports():
    source = "import cluster_tune.stats\ndef f():\n    from cluster_tune import paths, __version__\n    import torch.nn"
    assert imported(source) == {"cluster_tune.stats", "cluster_tune.paths", "cluster_tune.__version__", "torch.nn"}
    assert of_ours(source) == {"stats", "paths"}


def test_the_list_has_every_module_and_no_circle():
    assert sorted(IMPORTS) == MODULES
    graphlib.TopologicalSorter({module: row.split() for module, row in IMPORTS.items()}).prepare()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_those_below_it(module):
    assert of_ours((FOLDER / f"{module}.py").read_text()) <= set(IMPORTS[module].split())


@pytest.mark.parametrize("library", HEAVY)
def test_only_these_modules_touch_a_heavy_library(library):
    users = {m for m in MODULES if library in {n.split(".")[0] for n in imported((FOLDER / f"{m}.py").read_text())}}
    assert users <= HEAVY[library]


@pytest.mark.parametrize("file", sorted((paths.root() / "notebooks").glob("*.ipynb")), ids=lambda f: f.stem)
def test_a_notebook_calls_the_library_s_upper_floors(file):
    cells = [c.source for c in nbformat.read(file, as_version=4).cells if c.cell_type == "code"]
    assert of_ours("\n".join(cells)) <= IN_NOTEBOOKS


@pytest.mark.parametrize("module", LIGHT)
def test_what_needs_no_model_loads_no_torch(module):
    code = f"import sys, cluster_tune.{module}; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ran.stdout.strip(), ran.stderr) == ("[]", "")


def test_help_loads_no_torch():
    code = "import sys, cluster_tune.__main__ as m\ntry: m.main(['--help'])\nexcept SystemExit: print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip().endswith("False")


def test_importing_the_package_does_nothing(tmp_path):
    code = "import cluster_tune.__main__, cluster_tune.pages, cluster_tune.results"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert not list(tmp_path.iterdir()) and cluster_tune.__version__
