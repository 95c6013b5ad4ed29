"""Bad requests get a sentence with the value and the limit, in OpenAI's envelope."""

import errno

import pytest

from vecstore import failpoints

STORES, FILES = "/v1/vector_stores", "/v1/files"


def error_of(response, status=400):
    body = response.json()
    assert response.status_code == status, body
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert response.headers["x-request-id"].startswith("req_")
    return body["error"]


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"name": 5}, "name", "invalid_type"),
        ({"name": "a" * 257}, "name", "string_above_max_length"),
        ({"nom": "x"}, "nom", "unknown_parameter"),
        ({"metadata": {str(i): "x" for i in range(17)}}, "metadata", "object_above_max_properties"),
        ({"metadata": {"a": 5}}, "metadata.a", "invalid_type"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a", "string_above_max_length"),
        ({"metadata": {"k" * 65: "x"}}, "metadata." + "k" * 65, "property_name_above_max_length"),
        ({"file_ids": "file-abc"}, "file_ids", "invalid_type"),
        ({"file_ids": ["file-abc"] * 501}, "file_ids", "array_above_max_length"),
        ({"file_ids": ["vs_abc"]}, "file_ids[0]", "invalid_value"),
        ({"expires_after": {"anchor": "last_active_at"}}, "expires_after.days", "missing_required_parameter"),
        ({"expires_after": {"anchor": "created_at", "days": 1}}, "expires_after.anchor", "invalid_value"),
        ({"expires_after": {"anchor": "last_active_at", "days": 366}}, "expires_after.days", "integer_above_max_value"),
        ({"expires_after": {"anchor": "last_active_at", "days": 0}}, "expires_after.days", "integer_below_min_value"),
        ({"expires_after": {"anchor": "last_active_at", "days": "1"}}, "expires_after.days", "invalid_type"),
        ({"chunking_strategy": {"type": "wild"}}, "chunking_strategy.type", "invalid_value"),
        ({"chunking_strategy": {}}, "chunking_strategy.type", "missing_required_parameter"),
        ({"chunking_strategy": "auto"}, "chunking_strategy", "invalid_type"),
        (
            {
                "chunking_strategy": {
                    "type": "static",
                    "static": {"max_chunk_size_tokens": 99, "chunk_overlap_tokens": 0},
                }
            },
            "chunking_strategy.static.max_chunk_size_tokens",
            "integer_below_min_value",
        ),
        ([], "body", "invalid_type"),
    ],
)
def test_what_is_wrong_with_a_vector_store_is_said(http, body, param, code):
    error = error_of(http.post(STORES, json=body))
    assert (error["param"], error["code"], error["type"]) == (param, code, "invalid_request_error")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"name": ["a"]}, "Invalid type for 'name': expected a string, but got an array instead."),
        (
            {"metadata": {str(i): "x" for i in range(17)}},
            (
                "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object "
                "with 17 properties instead."
            ),
        ),
        (
            {"file_ids": ["file-abc"] * 501},
            (
                "Invalid 'file_ids': array too long. Expected an array with maximum length 500, but got an array with length "
                "501 instead."
            ),
        ),
        (
            {"expires_after": {"anchor": "last_active_at", "days": 366}},
            "Invalid 'expires_after.days': above the maximum value. Expected a value <= 365, but got 366 instead.",
        ),
        (
            {"expires_after": {"anchor": "created_at", "days": 1}},
            "Invalid value for 'expires_after.anchor': 'created_at'. Supported values are 'last_active_at'.",
        ),
        ({"expires_after": {}}, "Missing required parameter: 'expires_after.anchor'."),
        ({"nom": {}}, "Unknown parameter: 'nom'."),
        (
            {"name": "a" * 257},
            (
                "Invalid 'name': string too long. Expected a string with maximum length 256, but got a string with length 257 "
                "instead."
            ),
        ),
        (
            {"chunking_strategy": {"type": "{path}"}},
            "Invalid value for 'chunking_strategy.type': '{path}'. Supported values are 'auto', 'static', 'structure'.",
        ),
    ],
)
def test_the_sentences_are_openais(http, body, sentence):
    assert error_of(http.post(STORES, json=body))["message"] == sentence


def test_a_value_of_several_types_is_told_all_of_them(http):
    store = http.post(STORES, json={}).json()["id"]
    error = error_of(http.post(f"{STORES}/{store}/files", json={"file_id": "file-a", "attributes": {"a": None}}))
    assert error["message"] == (
        "Invalid type for 'attributes.a': expected a string, a boolean, an integer or a number, but got null instead."
    )
    error = error_of(http.post(f"{STORES}/{store}/search", json={"query": {}}))
    assert error["message"] == "Invalid type for 'query': expected a string or an array, but got an object instead."


def test_a_url_that_is_none_says_where_the_api_is(http):
    assert error_of(http.get("/vector_stores"), 404)["message"] == (
        "Invalid URL (GET /vector_stores); the API is below /v1: a base_url ends in it."
    )
    message = "Invalid URL (POST /v1/responses); /docs lists what this server answers."
    assert error_of(http.post("/v1/responses", json={}), 404)["message"] == message


def test_json_that_is_none_is_told_where(http):
    error = error_of(http.post(STORES, content=b'{"name": tru}'))
    assert "line 1 column" in error["message"]


def test_explicit_nulls_are_as_good_as_absence(http):
    nulls = dict.fromkeys(["file_ids", "name", "description", "expires_after", "chunking_strategy", "metadata"])
    store = http.post(STORES, json=nulls).json()
    assert (store["name"], store["metadata"], store["description"]) == ("", {}, None)
    assert "expires_after" not in store
    search = dict.fromkeys(["rewrite_query", "max_num_results", "filters", "ranking_options"])
    assert http.post(f"{STORES}/{store['id']}/search", json={"query": "a", **search}).json()["data"] == []
    options = {"ranking_options": {"ranker": None, "score_threshold": None}}
    assert http.post(f"{STORES}/{store['id']}/search", json={"query": "a", **options}).status_code == 200


def test_ids_of_the_wrong_form_are_400_and_unknown_ones_404(http):
    error = error_of(http.get(f"{STORES}/store_1"))
    assert error["message"].startswith("Invalid 'vector_store_id': 'store_1'. Expected an ID that begins with 'vs_'.")
    error = error_of(http.get(f"{STORES}/vs_1%20or%201"))
    assert "letters, numbers, underscores, or dashes" in error["message"]
    error = error_of(http.get(f"{STORES}/vs_abc"), 404)
    assert error == {
        "message": "No vector store found with id 'vs_abc'.",
        "type": "invalid_request_error",
        "param": "id",
        "code": None,
    }
    assert error_of(http.get(f"{FILES}/file-abc"), 404)["message"] == "No such File object: file-abc"
    store = http.post(STORES, json={}).json()["id"]
    error = error_of(http.get(f"{STORES}/{store}/files/file-abc"), 404)
    assert error["message"] == f"No file found with id 'file-abc' in vector store '{store}'."
    assert "vsfb_" in error_of(http.get(f"{STORES}/{store}/file_batches/{store}"))["message"]
    error_of(http.get(f"{STORES}/{store}/file_batches/vsfb_1"), 404)
    error_of(http.get("/v1/nothing"), 404)
    error_of(http.put(STORES, json={}), 405)


def test_limits_of_lists_are_said(http):
    assert error_of(http.get(f"{STORES}?limit=101"))["code"] == "integer_above_max_value"
    assert error_of(http.get(f"{STORES}?limit=0"))["code"] == "integer_below_min_value"
    assert error_of(http.get(f"{STORES}?limit=many"))["param"] == "limit"
    assert error_of(http.get(f"{STORES}?order=up"))["param"] == "order"
    assert http.get(f"{FILES}?limit=10000").status_code == 200


@pytest.mark.parametrize(
    "filters",
    [
        {"type": "like", "key": "a", "value": "b"},
        {"type": "eq", "key": "a"},
        {"type": "eq", "key": "a", "value": {"b": 1}},
        {"type": "and", "filters": []},
        {"type": "eq", "property": "filename", "value": "a"},
        {"type": "in", "key": "a", "value": [True]},
        {"type": "and", "filters": [{"type": "or", "filters": "a"}]},
    ],
)
def test_filters_that_say_nothing_are_refused(http, filters):
    store = http.post(STORES, json={}).json()["id"]
    error = error_of(http.post(f"{STORES}/{store}/search", json={"query": "a", "filters": filters}))
    assert error["param"].startswith("filters")


def test_filters_may_be_16_deep_and_have_2000_parts(http):
    store = http.post(STORES, json={}).json()["id"]

    def search(filters):
        return http.post(f"{STORES}/{store}/search", json={"query": "a", "filters": filters})

    leaf = {"type": "eq", "key": "a", "value": "b"}
    deep = leaf
    for _ in range(15):
        deep = {"type": "and", "filters": [deep]}
    assert search(deep).status_code == 200
    assert "16 deep" in error_of(search({"type": "or", "filters": [deep]}))["message"]
    assert search({"type": "or", "filters": [leaf] * 1999}).status_code == 200
    assert "2000" in error_of(search({"type": "or", "filters": [leaf] * 2000}))["message"].replace(",", "")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nothing",
        b'{"name": NaN}',
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"1" * 5_000,
        b'{"metadata": {"a": 1e999}}',
        b"\x00",
        b'"text"',
        b"null",
    ],
)
def test_json_that_is_none_is_refused(http, body):
    error_of(http.post(STORES, content=body, headers={"content-type": "application/json"}))


def test_json_is_json_whatever_its_content_type(http):
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8"):
        made = http.post(STORES, content=b'{"name": "a"}', headers={"content-type": content_type})
        assert made.json()["name"] == "a"
    assert http.post(STORES).json()["name"] == ""


def test_numbers_of_attributes_must_be_finite(http):
    store = http.post(STORES, json={}).json()["id"]
    body = b'{"query": "a", "filters": {"type": "gt", "key": "a", "value": 1e999}}'
    assert error_of(http.post(f"{STORES}/{store}/search", content=body))["param"].startswith("filters")


def test_a_batch_needs_one_kind_of_files(http):
    store = http.post(STORES, json={}).json()["id"]
    path = f"{STORES}/{store}/file_batches"
    assert "exactly one" in error_of(http.post(path, json={}))["message"]
    both = {"file_ids": ["file-a"], "files": [{"file_id": "file-a"}]}
    assert "exactly one" in error_of(http.post(path, json=both))["message"]
    assert error_of(http.post(path, json={"file_ids": []}))["code"] == "array_below_min_length"
    assert error_of(http.post(path, json={"file_ids": ["file-a"] * 2001}))["code"] == "array_above_max_length"


def test_paths_of_this_machine_are_no_files(http, tmp_path):
    (tmp_path / "secret.txt").write_text("the secret of this machine")
    store = http.post(STORES, json={}).json()["id"]
    for given in (str(tmp_path / "secret.txt"), "../secret.txt", "file-../../etc/passwd"):
        error_of(http.post(f"{STORES}/{store}/files", json={"file_id": given}))
        error_of(http.post(f"{STORES}/{store}/file_batches", json={"file_ids": [given]}))
        error_of(http.post(STORES, json={"file_ids": [given]}))


def test_a_full_disk_is_507_with_nothing_half_written_and_reads_go_on(http, engine, full_disk):
    store = http.post(STORES, json={"name": "kept"}).json()["id"]
    with full_disk(engine):
        answers = [http.post(STORES, json={"description": "x" * 4000}) for _ in range(20)]
        error = error_of(next(answer for answer in answers if answer.status_code != 200), 507)
        assert (error["type"], error["code"]) == ("server_error", "insufficient_storage")
        assert answers[-1].headers["x-should-retry"] == "false"
        made = sum(answer.status_code == 200 for answer in answers)
        assert len(http.get(f"{STORES}?limit=100").json()["data"]) == 1 + made
        assert http.get(f"{STORES}/{store}").json()["name"] == "kept"
    assert http.post(STORES, json={"description": "x" * 4000}).status_code == 200
    assert engine.check() == []


def test_after_an_fsync_that_failed_writes_are_503_until_a_restart_and_reads_go_on(http):
    store = http.post(STORES, json={"name": "kept"}).json()["id"]
    assert http.get("/readyz").json()["checks"]["writing"] == "ok"
    with failpoints.failing("disk.fsync", errno.EIO):
        answer = http.post(FILES, files={"file": b"abc"}, data={"purpose": "assistants"})
    for refused in (answer, http.post(STORES, json={"name": "later"})):
        error = error_of(refused, 503)
        assert (error["type"], error["code"]) == ("server_error", "storage_stopped")
        assert "until a restart" in error["message"]
        assert refused.headers["x-should-retry"] == "false"
    assert http.get(f"{STORES}/{store}").json()["name"] == "kept"
    ready = http.get("/readyz")
    assert ready.status_code == 503
    assert "until a restart" in ready.json()["checks"]["writing"]
    assert http.get("/healthz").status_code == 200


def test_a_disk_that_is_full_while_a_file_comes_in_is_507_and_one_without_descriptors_503(http):
    for number, status, code in ((errno.ENOSPC, 507, "insufficient_storage"), (errno.EMFILE, 503, "storage_busy")):
        with failpoints.failing("blob.received", number):
            answer = http.post(FILES, files={"file": b"abc"}, data={"purpose": "assistants"})
        assert error_of(answer, status)["code"] == code
        assert ("retry-after" in answer.headers) == (status == 503)
    assert http.post(FILES, files={"file": b"abc"}, data={"purpose": "assistants"}).status_code == 200


def test_a_damaged_content_is_500_with_a_sentence_and_the_rest_goes_on(http, engine, flip_byte):
    posted = [
        http.post(FILES, files={"file": text}, data={"purpose": "assistants"}).json()["id"] for text in (b"one", b"two")
    ]
    sha256 = engine.file(posted[0]).sha256
    flip_byte(engine.folder / "blobs" / sha256[:2] / sha256)
    error = error_of(http.get(f"{FILES}/{posted[0]}/content"), 500)
    assert error["code"] == "storage_damaged"
    assert "upload the original again" in error["message"]
    assert http.get(f"{FILES}/{posted[1]}/content").content == b"two"


def test_a_vector_store_that_is_refused_is_not_made(http):
    file = http.post(FILES, files={"file": b"abc"}, data={"purpose": "assistants"}).json()["id"]
    strategy = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 60}}
    for given in ({"file_ids": [file], "chunking_strategy": strategy}, {"chunking_strategy": strategy}):
        error = error_of(http.post(STORES, json=given))
        assert error["param"] == "chunking_strategy.static"
        assert error["message"] == (
            "Invalid 'chunking_strategy.static': Expected chunk_overlap_tokens of at most half of max_chunk_size_tokens, "
            "50, but got 60."
        )
    assert http.get(STORES).json()["data"] == []


def test_attributes_are_changed_only_if_they_are_said(http):
    file = http.post(FILES, files={"file": b"abc"}, data={"purpose": "assistants"}).json()["id"]
    store = http.post(STORES, json={}).json()["id"]
    http.post(f"{STORES}/{store}/files", json={"file_id": file, "attributes": {"year": 2026}})
    path = f"{STORES}/{store}/files/{file}"
    for content in (b"", b"{}"):
        assert error_of(http.post(path, content=content))["code"] == "missing_required_parameter"
    assert http.get(path).json()["attributes"] == {"year": 2026}
    assert http.post(path, json={"attributes": None}).json()["attributes"] == {}


def test_a_path_with_a_slash_too_many_is_none(http):
    assert http.get("/v1/files/").status_code == 404
