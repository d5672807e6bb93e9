"""LiteRT.js, and the web server that hands it and the pages of `edge/web` to a browser."""

import functools
import http.server
import json
import logging
import mimetypes
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.parse

PAGES = pathlib.Path(__file__).parent / "web"
INSTALL_S = 600

_log = logging.getLogger(__name__)


class NotInstalled(Exception):
    """LiteRT.js cannot be had; the message is the reason and what to do."""


def litertjs_version():
    """Return the version of LiteRT.js that `edge/web/package.json` asks for."""
    return json.loads((PAGES / "package.json").read_text())["dependencies"]["@litertjs/core"]


def install():
    """Return the folder with LiteRT.js, installed on first use.

    Raises:
        NotInstalled: there is no npm, or it fails.
    """
    version = litertjs_version()
    folder = pathlib.Path.home() / ".cache" / "keras_liteseg" / f"litertjs-{version}"
    if (folder / "node_modules" / "@litertjs" / "core" / "wasm").is_dir():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalled(
            "LiteRT.js is installed with npm, which is not here; install Node.js (Debian: apt install npm)"
        )
    _log.info("Installing LiteRT.js %s into %s, once", version, folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Elsewhere until it is complete.
    with tempfile.TemporaryDirectory(prefix="litertjs-", dir=folder.parent) as temporary:
        fresh = pathlib.Path(temporary) / "fresh"
        fresh.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PAGES / name, fresh)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
        try:
            done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, timeout=INSTALL_S)
        except subprocess.TimeoutExpired:
            raise NotInstalled(f"npm did not install LiteRT.js {version} within {INSTALL_S} s; try it again") from None
        if done.returncode:
            raise NotInstalled(
                f"npm cannot install LiteRT.js {version} ({_reason(done.stderr)}); connect to the internet once, or "
                f"copy {folder} from a machine that has it"
            )
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    return folder


def _reason(said):
    lines = [line.removeprefix("npm error ").strip() for line in said.splitlines() if line.startswith("npm error ")]
    return "; ".join(line for line in lines if not line.startswith("A complete log"))[:300] or "it gave no reason"


class Server:
    """Serves `edge/web`, LiteRT.js and what `answers` holds, on a thread.

    Attributes:
        answers: {path: (content type, bytes)}; may be changed at any time.
        posted: {path: bytes} of what the pages have sent.
        url: with the port, without a slash at the end.

    Args:
        litertjs: folder of `install`.
        host, port: where to listen; port 0 takes a free one.
        accept_posts: whether pages may send something.

    Raises:
        OSError: the port is taken, or there is no such host.
    """

    def __init__(self, litertjs, host="127.0.0.1", port=0, accept_posts=False):
        self.answers = {}
        self.posted = {}
        handler = functools.partial(_Handler, self, litertjs, accept_posts)
        self._server = _ThreadingServer((host, port), handler)
        # Browsers trust the name localhost, which every address includes, but not 0.0.0.0.
        name = "localhost" if host == "0.0.0.0" else host
        self.url = f"http://{name}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()


class _ThreadingServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        # A browser may go in the middle of an answer.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, owner, litertjs, accept_posts, *arguments):
        self._owner = owner
        self._litertjs = litertjs
        self._accept_posts = accept_posts
        super().__init__(*arguments)

    def do_GET(self):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        answer = self._owner.answers.get(path) or self._file(path)
        if answer is None:
            self.send_error(404)
            return
        self._send(*answer)

    def do_POST(self):
        length = self.headers.get("Content-Length")
        if not self._accept_posts or length is None:
            self.send_error(405)
            return
        self._owner.posted[urllib.parse.urlsplit(self.path).path] = self.rfile.read(int(length))
        self._send("text/plain", b"")

    def _file(self, path):
        """Return (content type, bytes) of a page's file or of LiteRT.js, or None."""
        root = self._litertjs if path.startswith("/node_modules/") else PAGES
        file = (root / path.lstrip("/")).resolve()
        if not file.is_relative_to(root.resolve()) or not file.is_file():
            return None
        kind = {".js": "text/javascript", ".wasm": "application/wasm"}.get(file.suffix)
        return kind or mimetypes.guess_type(file.name)[0] or "application/octet-stream", file.read_bytes()

    def _send(self, kind, data):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def end_headers(self):
        # The first two isolate the page, which gives it threads and a clock of 5 us.
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *arguments):
        """Keep the terminal for what matters."""
