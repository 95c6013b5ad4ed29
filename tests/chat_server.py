"""A server of chat completions on this machine: what a rewriter asks, without a model to load."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Chat:
    """`says` gives the content for the last message, or `(status, body)` to send as it is; `asked` are the requests."""

    def __init__(self, says):
        self.says, self.asked, self.keys, self.url = says, [], [], ""

    def answer(self, path, body):
        if path != "/v1/chat/completions":
            return 404, "no such route"
        self.asked.append(body)
        said = self.says(body["messages"][-1]["content"])
        if isinstance(said, tuple):
            return said
        return 200, json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": said}}]})


@contextmanager
def running(says):
    """A Chat with its base URL, while it answers."""
    chat = Chat(says)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            chat.keys.append(self.headers["Authorization"])
            status, text = chat.answer(self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    chat.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield chat
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
