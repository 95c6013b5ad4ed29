"""What OpenAI does not have: several vector stores in one search, chunks, explanations, progress as it happens."""

import json

import pytest

LIGHTS = "# Lamps\n\nThe lamp of Varnoe burns 14 litres of paraffin a night.\n\n# Fog\n\nSignal code HX-2207 starts the horn.\n"


@pytest.fixture
def filled(http):
    """`filled("a.md", text)`: a new vector store with that file; its id and the file's."""

    def make(name, text, **more):
        file = http.post("/v1/files", files={"file": (name, text)}, data={"purpose": "assistants"}).json()["id"]
        store = http.post("/v1/vector_stores").json()["id"]
        http.post(f"/v1/vector_stores/{store}/files", json={"file_id": file, **more})
        while http.get(f"/v1/vector_stores/{store}/files/{file}").json()["status"] == "in_progress":
            pass
        return store, file

    return make


def test_a_result_says_where_it_stands_and_on_request_why(http, filled):
    store, file = filled("lights.md", LIGHTS)
    path = f"/v1/vector_stores/{store}/search"
    [plain] = http.post(path, json={"query": "HX-2207"}).json()["data"]
    assert "explanation" not in plain
    [result] = http.post(path, json={"query": "HX-2207", "explain": True}).json()["data"]
    assert (result["vector_store_id"], result["file_id"], result["filename"]) == (store, file, "lights.md")
    text = result["content"][0]["text"]
    assert text == LIGHTS[result["start"] : result["end"]]
    assert (result["passage"]["heading_path"], result["passage"]["lines"]) == (["Fog"], [5, 7])
    assert "HX-2207" in [text[first:end] for first, end in result["highlights"]]
    why = result["explanation"]
    assert (why["embedding"]["rank"], why["text"]["rank"]) == (1, 1)
    score = sum(why[leg]["weight"] * why[leg]["score"] for leg in ("embedding", "text"))
    assert score == pytest.approx(why["raw_score"], abs=1e-4)
    assert why["best_raw_score"] == why["raw_score"]
    assert why["closeness"] == 1  # the parts of the code stand together
    assert 0 < result["score"] < 1
    assert "hx-2207" in why["matched_terms"]


def test_several_vector_stores_are_searched_in_one_call(http, filled):
    (one, _), (two, _) = filled("lights.md", LIGHTS), filled("tides.md", "The tide table names code HX-2207, too.")
    asked = {"query": "HX-2207", "vector_store_ids": [one, two], "max_num_results": 5}
    page = http.post("/v1/search", json=asked).json()
    assert {result["vector_store_id"] for result in page["data"]} == {one, two}
    assert [result["score"] for result in page["data"]] == sorted((r["score"] for r in page["data"]), reverse=True)
    assert page["search_query"] == ["HX-2207"]
    [best] = http.post("/v1/search", json={**asked, "max_num_results": 1}).json()["data"]
    assert best == page["data"][0]
    assert http.post("/v1/search", json={"query": "a", "vector_store_ids": [one, "vs_nobody"]}).status_code == 404
    assert http.post("/v1/search", json={"query": "a", "vector_store_ids": []}).status_code == 400


def test_one_search_of_several_vector_stores_tells_the_rewritten_queries(http, filled):
    (one, _), (two, _) = filled("lights.md", LIGHTS), filled("tides.md", "The tide table names code HX-2207, too.")
    asked = {"query": "Hello, what is HX-2207?", "vector_store_ids": [one, two], "rewrite_query": True}
    page = http.post("/v1/search", json=asked).json()
    assert page["search_query"] == ["HX-2207"]
    assert {result["vector_store_id"] for result in page["data"]} == {one, two}


def test_chunks_are_listed_page_by_page_and_join_into_the_text(http, filled, numbered_text):
    small = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 20}}
    text = numbered_text(900)
    store, file = filled("words.txt", text, chunking_strategy=small)
    path = f"/v1/vector_stores/{store}/files/{file}/chunks"
    whole = http.get(path, params={"limit": 100}).json()
    assert not whole["has_more"]
    found, after = [], None
    while True:
        page = http.get(path, params={"limit": 7, **({"after": after} if after else {})}).json()
        found += page["data"]
        after = page["last_id"]
        if not page["has_more"]:
            break
    assert found == whole["data"]
    assert len(found) > 14
    assert all(chunk["text"] == text[chunk["start"] : chunk["end"]] for chunk in found)
    assert [chunk["index"] for chunk in found] == list(range(len(found)))
    assert (found[0]["start"], found[-1]["end"]) == (0, len(text))
    content = http.get(f"/v1/vector_stores/{store}/files/{file}/content").json()
    assert content["data"] == [{"type": "text", "text": text}]


@pytest.mark.parametrize(
    "after", ["chunk_0", "chunk_999999", "chunk_01", "chunk_", "file-abc", "chunk_9999999999999999999"]
)
def test_a_chunk_of_no_such_file_is_no_cursor(http, filled, after):
    store, file = filled("lights.md", LIGHTS)
    answer = http.get(f"/v1/vector_stores/{store}/files/{file}/chunks", params={"after": after})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "after"


def test_the_progress_of_a_batch_is_told_until_it_is_done(http):
    store = http.post("/v1/vector_stores").json()["id"]
    upload = {"data": {"purpose": "assistants"}}
    files = [
        http.post("/v1/files", files={"file": (f"{i}.txt", f"Text {i}. " * 200)}, **upload).json()["id"]
        for i in range(8)
    ]
    batch = http.post(f"/v1/vector_stores/{store}/file_batches", json={"file_ids": files}).json()["id"]
    events = []
    with http.stream("GET", f"/v1/vector_stores/{store}/file_batches/{batch}/progress") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("event: "):
                events.append([line.removeprefix("event: ")])
            elif line.startswith("data: "):
                events[-1].append(json.loads(line.removeprefix("data: ")))
    kinds, told = zip(*events, strict=True)
    assert kinds[-1] == "done"
    assert set(kinds[:-1]) <= {"progress"}
    last = told[-1]
    assert (last["batch_id"], last["status"], last["file_counts"]["completed"]) == (batch, "completed", 8)
    assert last["done_bytes"] == last["bytes"] == sum(len(f"Text {i}. " * 200) for i in range(8))
    inside = http.get(f"/v1/vector_stores/{store}/files").json()["data"]
    assert last["chunks"] == sum(file["chunks"] for file in inside) >= 8
    assert last["working"] == []
    done = [each["done_bytes"] for each in told]
    assert done == sorted(done)


def test_the_progress_of_a_deleted_vector_store_ends_with_an_error(http, engine):
    store = http.post("/v1/vector_stores").json()["id"]
    file = http.post("/v1/files", files={"file": b"abc"}, data={"purpose": "assistants"}).json()["id"]
    engine._runner.stop()  # nothing more is indexed
    batch = http.post(f"/v1/vector_stores/{store}/file_batches", json={"file_ids": [file]}).json()["id"]
    with http.stream("GET", f"/v1/vector_stores/{store}/file_batches/{batch}/progress") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: progress"
        engine.scope().vector_store(store).delete()
        rest = list(lines)
    assert "event: error" in rest
    assert json.loads(rest[-2].removeprefix("data: "))["error"]["param"] == "id"


def test_a_file_may_be_capped_and_results_asked_to_differ(http, filled):
    store, _ = filled("long.txt", "paraffin lamp " * 2000)
    path = f"/v1/vector_stores/{store}/search"
    assert len(http.post(path, json={"query": "paraffin"}).json()["data"]) > 1
    assert len(http.post(path, json={"query": "paraffin", "max_per_file": 1, "diversity": 0.5}).json()["data"]) == 1
    for wrong in ({"max_per_file": 0}, {"diversity": 2}):
        answer = http.post(path, json={"query": "paraffin", **wrong})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, next(iter(wrong)))


def test_a_result_comes_with_its_neighbours_where_they_are_asked_for(http, filled):
    store, _ = filled("long.txt", "paraffin lamp " * 2000)
    path = f"/v1/vector_stores/{store}/search"
    assert "surroundings" not in http.post(path, json={"query": "paraffin"}).json()["data"][0]
    first = http.post(path, json={"query": "paraffin", "neighbours": 1}).json()["data"][0]
    around = first["surroundings"]
    assert around["start"] <= first["start"] < first["end"] < around["end"]
    assert first["content"][0]["text"] in around["text"]
    answer = http.post(path, json={"query": "paraffin", "neighbours": 51})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "neighbours")
