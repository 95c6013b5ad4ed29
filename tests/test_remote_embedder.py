import json

import httpx
import pytest

from vecstore import EmbeddingError, InvalidRequestError, OpenAIEmbedder
from vecstore.embed import embed_checked
from vecstore.embed.remote import MAX_INPUTS
from vecstore.model_server import RETRIES

URL = "http://embeddings.test/v1"


class Server:
    """An embeddings server: `answers` are given first, one a request; what comes after is answered well."""

    def __init__(self, *answers, dimensions=3):
        self.answers, self.dimensions = list(answers), dimensions
        self.requests, self.slept = [], []

    def __call__(self, request):
        self.requests.append(request)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        texts = json.loads(request.content)["input"]
        return embeddings([[float(len(text)), 1.0, *[0.0] * (self.dimensions - 2)] for text in texts])

    def embedder(self, **changed):
        client = httpx.Client(transport=httpx.MockTransport(self))
        return OpenAIEmbedder(URL, **{"model": "m", "client": client, "sleep": self.slept.append, **changed})

    def sent(self):
        return [json.loads(request.content) for request in self.requests]


def embeddings(vectors):
    return httpx.Response(200, json={"data": [{"index": i, "embedding": v} for i, v in enumerate(vectors)]})


def test_it_asks_as_openai_is_asked():
    server = Server()
    server.embedder(api_key="secret", dimensions=3).embed(["one", "two!"])
    [request] = server.requests
    assert str(request.url) == f"{URL}/embeddings"
    assert request.headers["Authorization"] == "Bearer secret"
    assert server.sent() == [{"model": "m", "input": ["one", "two!"], "encoding_format": "float", "dimensions": 3}]


def test_without_a_key_none_is_sent():
    server = Server()
    server.embedder().embed(["one"])
    assert "Authorization" not in server.requests[0].headers
    assert "dimensions" not in server.sent()[0]


def test_a_slash_at_the_end_of_the_url_is_no_matter():
    server = Server()
    OpenAIEmbedder(URL + "/", model="m", client=httpx.Client(transport=httpx.MockTransport(server))).embed(["one"])
    assert str(server.requests[0].url) == f"{URL}/embeddings"


def test_dimensions_are_found_out_once():
    server = Server(dimensions=5)
    embedder = server.embedder()
    assert (embedder.dimensions, embedder.dimensions, embedder.identity) == (5, 5, "openai:m:5")
    assert len(server.requests) == 1


def test_given_dimensions_are_believed_without_asking():
    server = Server()
    assert server.embedder(dimensions=3).identity == "openai:m:3"
    assert server.requests == []


def test_many_texts_go_out_in_groups_and_come_back_in_order():
    server = Server()
    texts = ["x" * (i + 1) for i in range(2 * MAX_INPUTS + 5)]
    vectors = server.embedder().embed(texts)
    assert [len(body["input"]) for body in server.sent()] == [MAX_INPUTS, MAX_INPUTS, 5]
    assert vectors[:, 0].tolist() == [float(len(text)) for text in texts]


def test_vectors_are_put_in_the_order_of_their_index():
    shuffled = {"data": [{"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [1, 0]}]}
    vectors = Server(httpx.Response(200, json=shuffled)).embedder().embed(["a", "b"])
    assert vectors.tolist() == [[1, 0], [0, 2]]


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again_with_growing_pauses(status):
    server = Server(*[httpx.Response(status)] * RETRIES)
    assert len(server.embedder().embed(["a"])) == 1
    assert server.slept == [0.5, 1.0, 2.0, 4.0]


def test_a_lost_connection_is_tried_again():
    server = Server(httpx.ConnectError("refused"), httpx.ReadTimeout("too slow"))
    assert len(server.embedder().embed(["a"])) == 1
    assert len(server.slept) == 2


def test_in_the_end_it_gives_up_with_the_reason():
    server = Server(*[httpx.Response(503, text="overloaded")] * (RETRIES + 1))
    with pytest.raises(EmbeddingError, match=f"{URL}/embeddings answered 503: overloaded"):
        server.embedder().embed(["a"])
    assert len(server.requests) == RETRIES + 1
    assert len(server.slept) == RETRIES


def test_a_server_out_of_reach_is_named():
    server = Server(*[httpx.ConnectError("refused")] * (RETRIES + 1))
    with pytest.raises(EmbeddingError, match="cannot be reached: refused"):
        server.embedder().embed(["a"])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_not_tried_again(status):
    server = Server(httpx.Response(status, text="no"))
    with pytest.raises(EmbeddingError, match=f"answered {status}: no"):
        server.embedder().embed(["a"])
    assert len(server.requests) == 1
    assert server.slept == []


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={}),
        httpx.Response(200, json={"data": None}),
        httpx.Response(200, json={"data": [None]}),
        httpx.Response(200, json={"data": [{"index": 0}]}),
        httpx.Response(200, json={"data": [{"index": 0, "embedding": "AAAA"}]}),
        httpx.Response(200, json={"data": []}),
        embeddings([[1.0], [2.0]]),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error(answer):
    with pytest.raises(EmbeddingError, match="the embeddings server"):
        Server(answer).embedder(dimensions=1).embed(["a"])


def test_vectors_of_unlike_length_are_an_error():
    with pytest.raises(EmbeddingError):
        Server(embeddings([[1.0], [2.0, 3.0]])).embedder().embed(["a", "b"])


def test_one_index_twice_is_an_error():
    twice = {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}]}
    with pytest.raises(EmbeddingError):
        Server(httpx.Response(200, json=twice)).embedder().embed(["a", "b"])


def test_nan_from_the_server_is_refused():
    not_a_number = httpx.Response(200, text='{"data": [{"index": 0, "embedding": [NaN, 1]}]}')
    with pytest.raises(EmbeddingError, match="NaN or infinite"):
        embed_checked(Server(not_a_number).embedder(dimensions=2), ["a"])


@pytest.mark.parametrize("url", ["http://host:port", "nope", ""])
def test_an_impossible_url_is_refused_when_it_is_made(url):
    with pytest.raises(InvalidRequestError, match="base_url must be "):
        OpenAIEmbedder(url, model="m")


def test_a_model_without_a_name_is_refused():
    with pytest.raises(InvalidRequestError, match="model must be a text that is not empty, not ''"):
        OpenAIEmbedder(URL, model="")


def test_an_answer_over_the_limit_is_not_read():
    server = Server(dimensions=100)
    with pytest.raises(EmbeddingError, match="sent more than 100 bytes"):
        server.embedder(max_bytes=100).embed(["a"])
    assert len(server.requests) == 1
    assert len(server.embedder(dimensions=100).embed(["a" * 50] * MAX_INPUTS)) == MAX_INPUTS


@pytest.mark.parametrize("text", ["[" * 200_000, '{"data": [{"index": 0, "embedding": [1%s]}]}' % ("0" * 400)])
def test_an_answer_that_python_cannot_hold_is_an_error(text):
    with pytest.raises(EmbeddingError, match="sent no embeddings"):
        Server(httpx.Response(200, text=text)).embedder(dimensions=1).embed(["a"])


def test_user_and_password_of_the_url_are_sent_and_never_told():
    server = Server(httpx.Response(401, text="no"))
    client = httpx.Client(transport=httpx.MockTransport(server))
    with pytest.raises(
        EmbeddingError, match=r"the embeddings server http://embeddings\.test/v1/embeddings answered 401"
    ):
        OpenAIEmbedder("http://me:pass%20word@embeddings.test/v1", model="m", client=client).embed(["a"])
    [request] = server.requests
    assert request.headers["Authorization"] == "Basic bWU6cGFzcyB3b3Jk"
    assert request.url.userinfo == b""
