"""A web server on this machine that can be slow, break off, lack ranges or refuse."""

import contextlib
import dataclasses
import http.server
import threading


@dataclasses.dataclass
class Site:
    """What the server has, how it behaves, and what it was asked.

    Attributes:
        content: the body of every answer.
        status: of every answer.
        ranges: whether it heeds `Range`.
        cuts: how many bytes the answers have before the connection breaks off, the first of the list for the first
            answer and so on; answers behind the list are whole.
        gate: an event that an answer waits for behind half of its bytes, or None.
        length: whether it says `Content-Length`.
        asked: the `Range` of every request, or None.
        url: its address.
    """

    content: bytes
    status: int = 200
    ranges: bool = True
    cuts: list = dataclasses.field(default_factory=list)
    gate: threading.Event | None = None
    length: bool = True
    asked: list = dataclasses.field(default_factory=list)
    url: str = ""


@contextlib.contextmanager
def serve(content, **behaviour):
    """Serve `content` at every path of the yielded `Site`'s URL."""
    site = Site(content, **behaviour)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            wanted = self.headers["Range"]
            site.asked.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and site.ranges else 0
            body = site.content[start:] if site.status == 200 else b""
            self.send_response(206 if start else site.status)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(site.content) - 1}/{len(site.content)}")
            if site.length or not body:
                self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            half = len(body) // 2
            body = body[: site.cuts.pop(0)] if site.cuts else body
            with contextlib.suppress(OSError):  # the other side may be gone
                self.wfile.write(body[:half])
                self.wfile.flush()
                if site.gate:
                    site.gate.wait(60)
                self.wfile.write(body[half:])

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.url = f"http://127.0.0.1:{server.server_port}/weights.safetensors"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield site
        finally:
            if site.gate:
                site.gate.set()
            server.shutdown()
