"""A data set of texts that want to be more than text, and the book that is made of it."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import COMMON, WORDS

from cluster_tune import pages, paths

MARK = "pwned"  # is in everything that must stay text
RUN = f"window.__{MARK}=1"
# No part of a file's name on every system, so not in this one's: / \ : * ? "
TITLE = f"<img src=x onerror={RUN}> $a_{MARK}$ {{math}}`{MARK}` [{MARK}](x) #{MARK} &lt;b&gt; |"
LONG = MARK + "w" * 10_000
ATTACKS = (
    f"<script>{RUN}</script>", f'<img src=x onerror="{RUN}">', f"</script><script>{RUN}</script>", f"<!-- {MARK} <script>",
    f"]]> </textarea></title></style><svg/onload={RUN}>", f"<iframe srcdoc='<script>parent.__{MARK}=1</script>'></iframe>",
    f"<a href=javascript:{RUN}>{MARK}</a>", f"<style>body{{display:none}} /* {MARK} */", f"</div></section></article> {MARK}",
    f"[{MARK}](javascript:{RUN})", f'![{MARK}](x "{MARK}")', f"# {MARK}\n\n**{MARK}** _{MARK}_ `{MARK}`",
    f"```{{raw}} html\n<script>{RUN}</script>\n```", f":::{{admonition}} {MARK}\n:::", f"{{math}}`{MARK}` {{doc}}`{MARK}`",
    f"[^{MARK}] {{{{ {MARK} }}}} (target-{MARK})=", f"| {MARK} | b |\n|---|---|\n| c | d |", f"<https://{MARK}.example>",
    f"$\\{MARK}{{$ $$\\href{{javascript:{RUN}}}{{x}}$$", f"\\({MARK}\\) \\[{MARK}\\]", f"\\begin{{align}}{MARK}\\end{{align}}",
    f"\\end{{document}} \\input{{{MARK}}} %{MARK} ^^{MARK} _{MARK} ~ # &", f"\x1b[31m{MARK}\x1b[0m\x07\x08\x00 {MARK}",
    f"\u202e{MARK}\u2066\u200f\u200b\ufeff {MARK}", f"a\r\nb\u2028{MARK}\u2029c\x85\x0b{MARK}", f'"onmouseover="{RUN}" x="',
    f"' onfocus='{RUN}' autofocus='", f"`${{{RUN}}}` '; {RUN}; //", LONG, f"=cmd|' /C {MARK}'!A0", f"&lt;script&gt;{MARK}",
    f"\\u003cscript\\u003e{MARK} \\x3c", f"\U0001f600 \u05e9\u05dc\u05d5\u05dd {MARK}",
)  # fmt: skip
LABELS = (
    f"<script>{RUN}</script>", f'</script><img src=x onerror="{RUN}">',
    f"$\\{MARK}{{ {{math}}`{MARK}` **{MARK}**\r\n\x00\x1b[31m\u202e, \"{MARK}\"", LONG,
)  # fmt: skip


def corpus(size: int = 240) -> pd.DataFrame:
    """Texts of a few plain words, each with two attacks around them; the classes' names are attacks as well."""
    rng = np.random.default_rng(0)
    words = [*WORDS["sea"], *WORDS["sky"], *COMMON]
    rows = []
    for i in range(size):
        plain = " ".join(rng.choice(words, 8))
        first, last = ATTACKS[i % len(ATTACKS)], ATTACKS[(i // 2) % len(ATTACKS)]
        rows.append((f"{first} {plain} {last}", LABELS[i % len(LABELS)]))
    return pd.DataFrame(rows, columns=["text", "label"])


def write_page(folder: Path, encoder: Path) -> Path:
    """The page of the data set, from the template as it is, in a folder like `book/`; the environment names a store."""
    data = folder / "hostile.parquet"  # keeps every character, as no CSV does
    corpus().to_parquet(data)
    sizes = {"budgets": [8], "repetitions": 1, "encoder": str(encoder)}
    out = folder / "book" / "page.ipynb"
    return pages.make(str(data), out=out, title=TITLE, parameters=sizes, progress=False)


def build(folder: Path) -> Path:
    """A book of that one page, with this book's settings; the page as HTML."""
    root = paths.root()
    settings = yaml.safe_load((root / "_config.yml").read_text())
    (folder / "_config.yml").write_text(yaml.safe_dump(settings))
    (folder / "_toc.yml").write_text("format: jb-book\nroot: book/page\n")
    shutil.copy(root / "book" / "references.bib", folder / "book")
    for part in ("_static", "_ext"):
        shutil.copytree(root / "book" / part, folder / "book" / part)
    command = [Path(sys.executable).with_name("jupyter-book"), "build", folder, "-W", "-n", "--keep-going", "--quiet"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return folder / "_build" / "html" / "book" / "page.html"


def made(folder: Path, encoder: Path) -> Path:
    """The page of the hostile data set as HTML, computed in stores below `folder` and nowhere else."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("results", "models", "cache"):
            patch.setenv(f"CLUSTER_TUNE_{name.upper()}", str(folder / name))
        patch.delenv("CLUSTER_TUNE_DATA", raising=False)
        write_page(folder, encoder)
    return build(folder)
