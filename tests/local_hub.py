"""A model hub on this machine, for tests of what is otherwise fetched from huggingface.co.

`serve(root)` answers for the repositories lying under root as OWNER/NAME/REVISION/files, in the few requests that
`huggingface_hub.snapshot_download` makes. `run` is Python in a process of its own that knows no other hub.
"""

import contextlib
import functools
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from urllib.parse import unquote


class Handler(http.server.BaseHTTPRequestHandler):
    """What a hub says about `root`'s repositories; a revision's commit is the hash of its name."""

    def __init__(self, root, *args):
        self.root = root
        super().__init__(*args)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        where = self.path.split("?")[0].removeprefix("/api").removeprefix("/datasets").removeprefix("/models")
        owner, name, kind, revision, *rest = [unquote(piece) for piece in where.strip("/").split("/")] + [""] * 4
        found = {commit(folder.name): folder for folder in (self.root / owner / name).glob("*")}
        folder = found.get(revision) or found.get(commit(revision.replace("/", "-")))
        if not folder:
            return self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        if kind == "resolve":
            content = files["/".join(filter(None, rest))].read_bytes()
            headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": commit(folder.name)}
            return self.answer(200, content, headers)
        sizes = {file: path.stat().st_size for file, path in files.items()}
        rows = [{"type": "file", "path": file, "size": size, "oid": "0"} for file, size in sizes.items()]
        about = {"id": f"{owner}/{name}", "sha": commit(folder.name), "siblings": [{"rfilename": f} for f in files]}
        return self.answer(200, json.dumps(rows if kind == "tree" else about).encode(), {})

    def answer(self, status, content, headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


def commit(revision):
    return hashlib.sha1(revision.encode()).hexdigest()


@contextlib.contextmanager
def serve(root):
    """The address of a hub of the repositories under `root`."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, root))
    threading.Thread(target=functools.partial(server.serve_forever, 0.05), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def run(code, address, home, **variables):
    """Run `code` with that hub and a cache of its own under `home`; the finished process."""
    own = {"HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", **variables}
    return subprocess.run([sys.executable, "-c", code], env={**os.environ, **own}, capture_output=True, text=True)
