"""The same request with the same Idempotency-Key does its work once."""

import hashlib
import json
import threading

import httpx


def post(base, key, body, path="/v1/vector_stores"):
    return httpx.post(f"{base}{path}", json=body, headers={"idempotency-key": key})


def test_a_repeated_request_has_the_same_answer_and_does_nothing(url):
    first, again = post(url, "k1", {"name": "a"}), post(url, "k1", {"name": "a"})
    assert again.json() == first.json()
    assert again.status_code == first.status_code == 200
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert len(httpx.get(f"{url}/v1/vector_stores").json()["data"]) == 1
    assert post(url, "k2", {"name": "a"}).json()["id"] != first.json()["id"]


def test_another_body_or_path_with_the_same_key_is_400(url):
    store = post(url, "k1", {"name": "a"}).json()["id"]
    other = post(url, "k1", {"name": "b"})
    assert other.status_code == 400
    assert "Idempotency-Key" in other.json()["error"]["message"]
    assert post(url, "k1", {"name": "a"}, f"/v1/vector_stores/{store}").status_code == 400


def test_a_request_that_failed_may_be_sent_again(url):
    assert post(url, "k1", {"name": 5}).status_code == 400
    assert post(url, "k1", {"name": "a"}).status_code == 200


def test_an_upload_is_known_by_its_content(url):
    def upload(content):
        files = {"file": ("a.txt", content)}
        return httpx.post(
            f"{url}/v1/files", files=files, data={"purpose": "assistants"}, headers={"idempotency-key": "u1"}
        )

    first = upload(b"abc").json()
    assert upload(b"abc").json() == first  # with another boundary
    assert upload(b"abd").status_code == 400
    assert len(httpx.get(f"{url}/v1/files").json()["data"]) == 1


def test_many_at_once_do_it_once(url):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(post(url, "k", {"name": "a"}))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 200}) == 1
    assert len(httpx.get(f"{url}/v1/vector_stores").json()["data"]) == 1


def test_what_was_answered_is_known_after_a_restart_and_forgotten_after_a_day(open_engine, serve, clock):
    with open_engine() as engine:
        first = post(serve(engine), "k1", {"name": "a"}).json()
        request = hashlib.sha256(b"/v1/vector_stores\0" + json.dumps({"name": "b"}).encode()).hexdigest()
        engine.answers.begin("proj_default", "cut", request, clock.seconds)
    clock.move(1)
    base = serve(open_engine())
    assert post(base, "k1", {"name": "a"}).json() == first
    cut_off = httpx.post(
        f"{base}/v1/vector_stores", content=json.dumps({"name": "b"}), headers={"idempotency-key": "cut"}
    )
    assert cut_off.status_code == 409
    assert cut_off.headers["x-should-retry"] == "false"
    clock.move(86_400)
    assert post(base, "k1", {"name": "a"}).json()["id"] != first["id"]
