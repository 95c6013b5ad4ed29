"""A server on a loopback port, with the official client and a plain one."""

import socket
import threading
import time
from contextlib import contextmanager

import httpx
import openai
import pytest
import uvicorn

from vecstore.server import Settings, create_app
from vecstore.server.protocol import limited_protocol


@contextmanager
def running(app, *, max_connections):
    """Its base URL, while it answers."""
    config = uvicorn.Config(
        app, port=0, http=limited_protocol(max_connections), log_config=None, lifespan="on", timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def serve(request):
    """`serve(poll_after_ms=10)`: the base URL of a server with these settings, over the test's engine or another."""
    with_all = []

    def start(over=None, *, max_connections=1000, **settings):
        over = over or request.getfixturevalue("engine")
        app = create_app(over, Settings(**{"poll_after_ms": 20, **settings}))
        entered = running(app, max_connections=max_connections)
        with_all.append(entered)
        return entered.__enter__()

    yield start
    for entered in with_all:
        entered.__exit__(None, None, None)


@pytest.fixture
def url(serve):
    return serve()


@pytest.fixture
def client(url):
    """OpenAI's own client, its answers validated as strictly as it can."""
    with openai.OpenAI(
        base_url=f"{url}/v1", api_key="none is asked for", max_retries=0, _strict_response_validation=True
    ) as made:
        yield made


@pytest.fixture
def http(url):
    with httpx.Client(base_url=url, timeout=30) as made:
        yield made


@pytest.fixture
def secret(engine):
    """`secret("reader", scopes=["read"])`: an API key's secret."""

    def create(name="app", **given):
        return engine.keys.create(name, **given)[1]

    return create


@pytest.fixture
def raw(url):
    """`raw(bytes)`: what the server answers to these bytes, until it closes the connection or 20 seconds are over."""

    def send(*pieces, pause_s=0.0):
        port = int(url.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause_s)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
                if b"\r\n\r\n" in answer and answer.endswith(b"}"):
                    break
            return answer

    return send
