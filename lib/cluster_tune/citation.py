"""How to cite this book and the paper, out of `CITATION.cff`: the one place where it is written down."""

import re

from cluster_tune import paths
from cluster_tune.errors import InputError

REQUIRED = ("cff-version", "message", "title", "authors", "version", "references")  # what the page is made of


def read() -> dict:
    """CITATION.cff of the checkout; InputError if it lacks what a citation needs."""
    given = paths.settings("CITATION.cff")
    if missing := [key for key in REQUIRED if not given.get(key)]:
        file = paths.root() / "CITATION.cff"
        raise InputError(f"'{file}' has no {', '.join(missing)}; restore it from the repository or add them")
    return given


def page() -> str:
    """Both citations in words and as BibTeX, as Markdown for `book/cite.md`."""
    book = read()
    parts = [_entry("The paper", work) for work in book["references"]] + [_entry("This book", book)]
    return "\n\n".join(parts)


def _entry(title: str, work: dict) -> str:
    return f"## {title}\n\n{_words(work)}\n\n```bibtex\n{bibtex(work)}\n```"


def _words(work: dict) -> str:
    """Authors (year). Title. Where. Address."""
    year = f" ({_year(work)})" if _year(work) else ""
    pages = f", pages {work['start']}–{work['end']}" if work.get("start") else ""
    where = f" *{work['collection-title']}*{pages}." if work.get("collection-title") else f" Version {work['version']}."
    link = f" <https://doi.org/{work['doi']}>" if work.get("doi") else f" <{work['url']}>" if work.get("url") else ""
    return f"{', '.join(_name(a, ' ') for a in work['authors'])}{year}. {work['title']}.{where}{link}"


def bibtex(work: dict) -> str:
    """One work as a BibTeX entry."""
    kind = "inproceedings" if work.get("collection-title") else "software"
    fields = {
        "title": work["title"],
        "author": " and ".join(_name(author, ", ") for author in work["authors"]),
        "booktitle": work.get("collection-title"),
        "year": _year(work),
        "pages": f"{work['start']}--{work['end']}" if work.get("start") else None,
        "doi": work.get("doi"),
        "version": work.get("version"),
        "url": work.get("repository-code") or work.get("url"),
    }
    rows = [f"  {key} = {{{str(value).replace('&', chr(92) + '&')}}}," for key, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{_key(work)},", *rows, "}"])


def _name(author: dict, between: str) -> str:
    """A person, family name first where a comma is between; a group as it is, which BibTeX needs in braces."""
    if "name" in author:
        return f"{{{author['name']}}}" if between == ", " else author["name"]
    both = (author["family-names"], author["given-names"])
    return between.join(both if between == ", " else both[::-1])


def _year(work: dict) -> str:
    return str(work.get("year") or str(work.get("date-released") or "")[:4])


def _key(work: dict) -> str:
    """The first author's family name, the year and the first long word of the title; without a person, two words."""
    words = re.findall(r"[a-z]{4,}", work["title"].lower())
    family = work["authors"][0].get("family-names", "").lower()
    return f"{family}{_year(work)}{words[0]}" if family else "".join(words[:2])
