import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from vecstore import InvalidRequestError
from vecstore.catalog.answers import KEPT_S, Answer, Answers
from vecstore.catalog.database import Database

NOW = 1_700_000_000
ASKED, OTHER = "a" * 64, "b" * 64
HEADERS = {"content-type": "application/json"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "catalog.db"


@pytest.fixture
def database(path):
    opened = Database(path)
    yield opened
    opened.close()


@pytest.fixture
def answers(database):
    return Answers(database)


def held(path):
    with sqlite3.connect(path) as database:
        found = database.execute("SELECT scope, key FROM answers ORDER BY scope, key").fetchall()
    database.close()
    return found


def test_the_first_request_with_a_key_is_the_callers_to_answer(answers):
    assert answers.begin("proj_a", "k", ASKED, NOW) is None


def test_one_under_way_has_no_status(answers):
    answers.begin("proj_a", "k", ASKED, NOW)
    assert answers.begin("proj_a", "k", ASKED, NOW + 5) == Answer(NOW, None, {}, b"")


def test_a_finished_one_is_replayed_byte_for_byte(answers):
    body = bytes(range(256))
    answers.begin("proj_a", "k", ASKED, NOW)
    answers.finish("proj_a", "k", 200, HEADERS, body)
    assert answers.begin("proj_a", "k", ASKED, NOW + 5) == Answer(NOW, 200, HEADERS, body)
    assert answers.begin("proj_a", "k", ASKED, NOW + 9) == Answer(NOW, 200, HEADERS, body)


def test_an_empty_answer_is_an_answer(answers):
    answers.begin("proj_a", "k", ASKED, NOW)
    answers.finish("proj_a", "k", 204, {}, b"")
    assert answers.begin("proj_a", "k", ASKED, NOW) == Answer(NOW, 204, {}, b"")


def test_it_is_known_after_a_restart_also_one_that_was_cut_off(answers, database, path):
    for key in ("done", "cut off"):
        answers.begin("proj_a", key, ASKED, NOW)
    answers.finish("proj_a", "done", 200, HEADERS, b"{}")
    database.close()
    again = Database(path)
    assert Answers(again).begin("proj_a", "done", ASKED, NOW).status == 200
    assert Answers(again).begin("proj_a", "cut off", ASKED, NOW).status is None
    again.close()


@pytest.mark.parametrize("finished", [False, True])
def test_another_request_with_the_same_key_is_refused_and_changes_nothing(answers, finished):
    answers.begin("proj_a", "k", ASKED, NOW)
    if finished:
        answers.finish("proj_a", "k", 200, HEADERS, b"{}")
    with pytest.raises(InvalidRequestError, match=r"^Idempotency-Key 'k' was given with another request before$"):
        answers.begin("proj_a", "k", OTHER, NOW)
    assert answers.begin("proj_a", "k", ASKED, NOW).status == (200 if finished else None)


def test_the_same_key_of_another_caller_is_another_one(answers):
    answers.begin("proj_a", "k", ASKED, NOW)
    answers.finish("proj_a", "k", 200, HEADERS, b"a's")
    assert answers.begin("proj_b", "k", OTHER, NOW) is None
    answers.forget("proj_b", "k")
    assert answers.begin("proj_a", "k", ASKED, NOW).body == b"a's"


def test_a_forgotten_request_may_come_again_and_be_another_one(answers):
    answers.begin("proj_a", "k", ASKED, NOW)
    answers.forget("proj_a", "k")
    assert answers.begin("proj_a", "k", OTHER, NOW) is None


@pytest.mark.parametrize("finished", [False, True])
def test_after_a_day_to_the_second_a_key_is_free_again(answers, finished):
    answers.begin("proj_a", "k", ASKED, NOW)
    if finished:
        answers.finish("proj_a", "k", 200, HEADERS, b"{}")
    assert answers.begin("proj_a", "k", ASKED, NOW + KEPT_S - 1) is not None
    assert answers.begin("proj_a", "k", OTHER, NOW + KEPT_S) is None
    assert answers.begin("proj_a", "k", OTHER, NOW + KEPT_S) == Answer(NOW + KEPT_S, None, {}, b"")


def test_what_is_a_day_old_is_dropped_and_nothing_else(answers, path):
    answers.begin("proj_a", "old", ASKED, NOW)
    answers.begin("proj_a", "new", ASKED, NOW + 1)
    answers.prune(NOW + KEPT_S)
    assert held(path) == [("proj_a", "new")]


def test_the_answer_of_a_request_that_took_over_a_day_is_dropped(answers, path):
    answers.begin("proj_a", "k", ASKED, NOW)
    answers.prune(NOW + KEPT_S)
    answers.finish("proj_a", "k", 200, HEADERS, b"{}")
    assert held(path) == []


def test_of_many_at_once_one_goes_on(answers):
    with ThreadPoolExecutor(16) as threads:
        told = list(threads.map(lambda _: answers.begin("proj_a", "k", ASKED, NOW), range(64)))
    assert told.count(None) == 1
    assert {answer for answer in map(str, told) if answer != "None"} == {str(Answer(NOW, None, {}, b""))}


@pytest.mark.parametrize("key", ["k" * 255, "Schlüssel 鍵", "' OR 1=1 --", " "])
def test_keys_of_all_kinds_are_kept_apart(answers, key):
    assert answers.begin("proj_a", key, ASKED, NOW) is None
    assert answers.begin("proj_a", key + "x", OTHER, NOW) is None
    assert answers.begin("proj_a", key, ASKED, NOW) is not None
