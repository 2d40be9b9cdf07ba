"""Launch buttons once `repository: url` in `_config.yml` has an address, and none before: the theme cannot make one
without. Jupyter Book passes neither on, since `_config.yml` sets options of the theme itself."""

from pathlib import Path

import yaml


def _with_address(app, config):
    given = yaml.safe_load(Path(app.confdir, "_config.yml").read_text("utf-8"))
    repository = given.get("repository") or {}
    if repository.get("url"):
        config.html_theme_options |= {
            "repository_url": repository["url"].rstrip("/"),
            "repository_branch": repository.get("branch") or "main",
            "launch_buttons": given["launch_buttons"],
        }


def setup(app):
    app.connect("config-inited", _with_address)
    return {"parallel_read_safe": True}
