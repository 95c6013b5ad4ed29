"""What a chat model makes of a question, what is used where it fails, and what a search is told."""

import logging
import threading
import time

import chat_server
import httpx
import pytest

from vecstore import BucketQuery, ChatRewriter, InvalidRequestError, RuleRewriter, VecstoreError
from vecstore.query import MAX_QUERIES, MAX_QUERY_BYTES
from vecstore.rewriters import PAUSE_S, RETRIES

ASKED = "Hi, what is the rent?"
BY_RULES = ["rent"]


@pytest.fixture
def chat():
    """`chat(says)`: a chat server that says so."""
    entered = []

    def start(says):
        entered.append(chat_server.running(says if callable(says) else lambda _: says))
        return entered[-1].__enter__()

    yield start
    for each in entered:
        each.__exit__(None, None, None)


def rewriter(server, **changed):
    return ChatRewriter(server.url, "small", **{"sleep": lambda _: None, **changed})


class Always:
    """A rewriter of the user's."""

    def __init__(self, *queries):
        self.queries = list(queries)

    def rewrite(self, _):
        return self.queries


def fill(store):
    store.add(("rent.txt", b"The rent of the boathouse is 400 crowns."))
    store.add(("ferry.txt", b"The ferry to Skarnsund leaves at six."))
    return store


# A chat model


def test_it_asks_as_openai_is_asked_for_a_query_a_line(chat):
    server = chat("monthly rent\nboathouse deposit")
    assert rewriter(server, api_key="secret", options={"temperature": 0}).rewrite(ASKED) == [
        "monthly rent",
        "boathouse deposit",
    ]
    [asked] = server.asked
    assert (asked["model"], asked["temperature"]) == ("small", 0)
    assert [message["role"] for message in asked["messages"]] == ["system", "user"]
    assert asked["messages"][1]["content"] == ASKED
    assert server.keys == ["Bearer secret"]


@pytest.mark.parametrize(
    ("said", "queries"),
    [
        ("  rent \n\n  deposit\r\nrent\n", ["rent", "deposit"]),
        ("<think>What may\nthey want?</think>\n\nrent", ["rent"]),
        ("1. rent\n2) deposit", ["rent", "deposit"]),
        ("- rent\n- deposit", ["rent", "deposit"]),
        ("```\nrent\n```", ["rent"]),
        ("1. FC Skarnsund founded", ["1. FC Skarnsund founded"]),
        ("-40 °C\nE-2041", ["-40 °C", "E-2041"]),
        ("\u202etner\u202c\tof \u2066the\u2069 boat\x00\x1b\n\u202e\n\x07", ["tner of the boat"]),
    ],
)
def test_what_models_put_around_queries_is_taken_off(chat, said, queries):
    assert rewriter(chat(said)).rewrite(ASKED) == queries


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("", "0 queries, and 1 to 5 can be used"),
        ("\n \n", "0 queries"),
        ("\n".join("abcdef"), "6 queries"),
        ("ä" * MAX_QUERY_BYTES, f"a query of {2 * MAX_QUERY_BYTES} bytes"),
        ("<think>bla", "an answer that does not come to its end"),
        ("<think>a</think>\n <think>bla", "an answer that does not come to its end"),
        (
            (200, '{"choices": [{"finish_reason": "length", "message": {"content": "rent of"}}]}'),
            "an answer that does not come to its end",
        ),
        ((200, "[" * 200_000), "no chat completion (RecursionError)"),
        ((200, "<html>"), "no chat completion (JSONDecodeError)"),
        ((200, "[]"), "no chat completion (TypeError)"),
        ((200, "{}"), "no chat completion (KeyError)"),
        ((200, '{"choices": []}'), "no chat completion (IndexError)"),
        ((200, '{"choices": [{"message": {"content": null}}]}'), "no chat completion (AttributeError)"),
    ],
)
def test_an_answer_that_is_no_query_is_told_and_the_rules_are_used(chat, caplog, said, problem):
    server = chat(said)
    assert rewriter(server).rewrite(ASKED) == BY_RULES
    [warning] = caplog.messages
    assert f"the chat server {server.url}/chat/completions sent {problem}" in warning
    assert "rent" not in warning


def test_a_server_that_fails_is_tried_again_then_left_alone_for_a_while(chat, clock, caplog):
    answers = [(503, "what was asked: rent")] * (RETRIES + 1)
    server = chat(lambda _: answers.pop() if answers else "monthly rent")
    slept = []
    asking = rewriter(server, sleep=slept.append, now=clock)
    assert asking.rewrite(ASKED) == BY_RULES
    assert len(slept) == RETRIES
    clock.move(PAUSE_S - 1)
    assert asking.rewrite(ASKED) == BY_RULES
    assert len(server.asked) == RETRIES + 1
    clock.move(1)
    assert asking.rewrite(ASKED) == ["monthly rent"]
    [warning] = caplog.messages
    assert "answered 503; queries are rewritten by rules, and it is asked again in 30 s" in warning
    assert "rent" not in warning


def test_a_passing_failure_is_not_noticed(chat, caplog):
    answers = [(429, "slow down")]
    assert rewriter(chat(lambda _: answers.pop() if answers else "monthly rent")).rewrite(ASKED) == ["monthly rent"]
    assert caplog.messages == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "http://.", "http://xn--/v1"])
def test_a_server_out_of_reach_is_no_end_of_the_search(store, url, caplog):
    asking = ChatRewriter(url, "small", sleep=lambda _: None)
    assert asking.rewrite(ASKED) == BY_RULES
    assert asking.rewrite(ASKED) == BY_RULES
    assert [record.levelno for record in caplog.records if record.name.startswith("vecstore")] == [logging.WARNING]


def test_a_search_waits_for_a_silent_server_once_and_no_longer_than_was_said(chat, caplog):
    over = threading.Event()
    server = chat(lambda _: "rent" if over.wait(30) else "")
    asking, began = ChatRewriter(server.url, "small", timeout_s=0.7), time.monotonic()
    assert [asking.rewrite(ASKED), asking.rewrite(ASKED)] == [BY_RULES] * 2
    assert 0.6 < time.monotonic() - began < 3
    assert len(server.asked) == len(caplog.messages) == 1
    over.set()


def test_one_that_takes_too_long_is_given_up(caplog):
    def slow(request):
        raise httpx.ReadTimeout("too slow")

    client = httpx.Client(transport=httpx.MockTransport(slow))
    assert ChatRewriter("http://chat.test/v1", "m", client=client, sleep=lambda _: None).rewrite(ASKED) == BY_RULES
    assert "cannot be reached: too slow" in caplog.text


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ((5, "m"), "base_url must be a text that is not empty, not 5"),
        (("http://chat.test", ""), "model must be a text that is not empty, not ''"),
        (("http://chat.test", None), "model must be a text that is not empty, not None"),
        (("", "m"), "base_url must be a text that is not empty, not ''"),
        (("nope", "m"), "base_url must be like http://localhost:8080/v1, not 'nope'"),
        (("http://me:secret@host:port", "m"), "base_url must be like http://localhost:8080/v1, not 'http://host:port'"),
    ],
)
def test_a_wrong_setting_is_told(given, sentence):
    with pytest.raises(InvalidRequestError, match=sentence):
        ChatRewriter(*given)
    with pytest.raises(InvalidRequestError, match="options must be keys and values of a request, not 5"):
        ChatRewriter("http://chat.test", "m", options=5)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -1, "x", None, True, 10**400])
def test_a_time_that_is_none_is_told(odd):
    with pytest.raises(InvalidRequestError, match=r"timeout_s must be 0\.001 to 86400 seconds, not "):
        ChatRewriter("http://chat.test", "m", timeout_s=odd)
    with pytest.raises(InvalidRequestError, match="pause_s must be 0 to 86400 seconds, not "):
        ChatRewriter("http://chat.test", "m", pause_s=odd)


@pytest.mark.parametrize("key", ["€", "secret\n", " secret", b"secret", 5])
def test_a_key_that_no_header_can_carry_is_told_and_not_shown(key):
    with pytest.raises(InvalidRequestError, match="api_key must be letters") as told:
        ChatRewriter("http://chat.test", "m", api_key=key)
    assert str(key) not in str(told.value)


def test_an_answer_without_end_is_told_and_the_rules_are_used(chat, caplog):
    server = chat("rent " * 300_000)
    assert rewriter(server).rewrite(ASKED) == BY_RULES
    assert "sent more than 1,048,576 bytes; queries are rewritten by rules" in caplog.text


def test_user_and_password_of_the_url_are_sent_and_never_told(chat, caplog):
    caplog.set_level(logging.DEBUG)
    server = chat((403, "no"))
    url = server.url.replace("http://", "http://me:secret@")
    assert ChatRewriter(url, "small").rewrite(ASKED) == BY_RULES
    assert server.keys == ["Basic bWU6c2VjcmV0"]
    assert f"the chat server {server.url}/chat/completions answered 403" in caplog.text
    assert "secret" not in caplog.text


# A search


def test_a_search_looks_for_the_rewritten_queries_and_says_which(store):
    fill(store)
    asked = "Hello! What is the rent? And how do I take the ferry? Thanks!"
    queries = store.rewritten(asked)
    assert queries == ["rent", "take the ferry"]
    found = store.search(asked, rewrite_query=True)
    assert found == store.search(queries)
    assert {result.filename: result.query for result in found} == {"rent.txt": "rent", "ferry.txt": "take the ferry"}


def test_without_it_the_query_is_used_as_it_is(open_engine):
    with open_engine(rewriter=Always("never")) as engine:
        store = fill(engine.create("a"))
        assert {result.query for result in store.search(ASKED)} == {ASKED}
        assert {result.query for result in store.search([ASKED], rewrite_query=False)} == {ASKED}
        assert {result.query for result in store.search([ASKED], rewrite_query=True)} == {"never"}


def test_several_vector_stores_are_searched_for_queries_that_were_rewritten_once(open_engine, chat):
    server = chat("boathouse\nferry")
    with open_engine(rewriter=rewriter(server)) as engine:
        ids = [fill(engine.create(name)).id for name in "ab"]
        found = engine.scope().search(ASKED, ids, rewrite_query=True)
        assert {result.query for result in found} == {"boathouse", "ferry"}
        assert len(server.asked) == 1
        assert engine.scope().rewritten(ASKED) == ["boathouse", "ferry"]


def test_one_search_is_one_search_call_however_many_queries_it_has(engine, store):
    fill(store).search("What is the rent? Who is the captain?", rewrite_query=True)
    page = engine.search_calls(BucketQuery(engine.now() - 60))
    assert [row.num_requests for bucket in page.buckets for row in bucket.results] == [1]


def test_many_queries_leave_each_other_room(store):
    one = "What is the rent? Who is the captain?"
    assert store.rewritten([one, "boats"]) == ["rent", "Who is the captain", "boats"]
    full = [f"What is rule {i}? Who is the captain of {i}?" for i in range(MAX_QUERIES)]
    assert store.rewritten(full) == full
    some = store.rewritten(full[:15])
    assert len(some) == MAX_QUERIES
    assert some[:2] == ["rule 0", "Who is the captain of 0"]
    assert some[-1] == full[14]
    assert len(store.search(full[:15], rewrite_query=True)) == 0


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ((), "0 queries, and 1 to 5 can be used"),
        (("a",) * 6, "6 queries, and 1 to 5 can be used"),
        (("a", " "), "an empty query"),
        (("a", 5), "a list that is no list of texts"),
        (("x" * (MAX_QUERY_BYTES + 1),), f"a query of {MAX_QUERY_BYTES + 1} bytes, and it may have {MAX_QUERY_BYTES}"),
    ],
)
def test_a_rewriter_of_yours_that_gives_no_queries_is_an_error(open_engine, given, problem):
    with open_engine(rewriter=Always(*given)) as engine:
        store = engine.create("a")
        for call in (store.rewritten, lambda query: store.search(query, rewrite_query=True)):
            with pytest.raises(VecstoreError, match=f"the rewriter Always gave {problem}"):
                call("words")


def test_a_character_without_a_code_is_replaced(open_engine):
    with open_engine(rewriter=Always("\ud800 words")) as engine:
        store = fill(engine.create("a"))
        assert store.rewritten("rent \ud800") == ["? words"]
        assert {result.query for result in store.search("rent", rewrite_query=True)} == {"? words"}


def test_a_text_is_no_list_of_queries(open_engine):
    odd = Always()
    odd.queries = "words"
    with open_engine(rewriter=odd) as engine, pytest.raises(VecstoreError, match="a str that is no list of texts"):
        engine.create("a").rewritten("words")


@pytest.mark.parametrize("odd", [None, 1, "yes", [], object()])
def test_a_wish_that_is_none_is_told(store, engine, odd):
    for call in (store.search, lambda query, **given: engine.scope().search(query, [store.id], **given)):
        with pytest.raises(InvalidRequestError, match="rewrite_query must be True or False, not"):
            call("words", rewrite_query=odd)


def test_what_cannot_rewrite_is_no_rewriter(open_engine):
    for odd in ("rules", 5, RuleRewriter):
        with pytest.raises(InvalidRequestError, match="rewriter must be an object with rewrite"):
            open_engine(rewriter=odd)


def test_the_rules_are_a_rewriter_too():
    assert RuleRewriter().rewrite(ASKED) == BY_RULES


def test_the_queries_used_are_told_also_where_nothing_is_found(engine):
    empty = engine.create("empty")
    found = empty.search("Hello, what is the rent? And who is the captain?", rewrite_query=True)
    assert found == []
    assert found.queries == ("rent", "who is the captain")
    assert empty.search(["rent", "captain", "rent"]).queries == ("rent", "captain")
    assert engine.scope().search("What is the rent?", [empty.id]).queries == ("What is the rent?",)
