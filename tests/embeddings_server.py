"""A server of embeddings on this machine: what a process that is tested embeds with, without a model to load."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from vecstore import HashingEmbedder


class Embeddings(BaseHTTPRequestHandler):
    """OpenAI's POST /embeddings, answered by the hashing embedder."""

    delay_s = 0.0

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked["model"] == "missing":
            self.send_error(404)
            return
        texts = asked["input"]
        time.sleep(type(self).delay_s)
        vectors = HashingEmbedder().embed(texts)
        body = json.dumps({"data": [{"index": i, "embedding": v.tolist()} for i, v in enumerate(vectors)]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def running():
    """Its base URL, while it answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Embeddings)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
