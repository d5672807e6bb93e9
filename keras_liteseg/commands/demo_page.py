"""Serve a page that runs a .tflite file in the browser, live.

  liteseg demo-page --model a.tflite
  liteseg demo-page --model a.tflite --host 0.0.0.0 --port 0

It prints the address to open, where the file runs on a picture, a video or the camera; Ctrl-C ends it.
"""

import contextlib
import threading

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command


@command("demo-page", __doc__)
@options.file("--model", "The .tflite file.", required=True)
@click.option("--host", default="127.0.0.1", help="Address to serve at; 0.0.0.0 for other machines too.")
@options.whole("--port", 8000, "Port to serve at; 0 takes a free one.", least=0, most=65535)
def main(model, host, port):
    from edge.demo_page import serve

    with contextlib.closing(serve(model, host, port)) as server:
        print(f"Open {server.url} in a browser; Ctrl-C ends this.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
