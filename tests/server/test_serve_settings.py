"""The settings of `vecstore serve`: flags, environment and file, and what is refused before it listens."""

import socket

import chat_server
import httpx
import pytest
import serving

environment, run, start = serving.environment, serving.run, serving.start


def test_flags_go_before_the_environment_and_that_before_the_file(start, tmp_path):
    file = tmp_path / "vecstore.toml"
    file.write_text('requests_per_minute = 77\nmax_uploads = 3\nlog_format = "json"\n')

    def limit(*arguments, env=None):
        answer = httpx.get(f"{start('--config', file, *arguments, env=env).url}/v1/files")
        return answer.headers["x-ratelimit-limit-requests"]

    assert limit("--requests-per-minute", "99", env={"VECSTORE_REQUESTS_PER_MINUTE": "88"}) == "99"


@pytest.mark.parametrize(
    ("env", "limit"), [({"VECSTORE_REQUESTS_PER_MINUTE": "88"}, "88"), ({}, "77")], ids=["environment", "file"]
)
def test_the_file_counts_where_nothing_else_was_said(start, tmp_path, env, limit):
    (tmp_path / "vecstore.toml").write_text("requests_per_minute = 77\n")
    server = start("--config", tmp_path / "vecstore.toml", env=env)
    assert httpx.get(f"{server.url}/v1/files").headers["x-ratelimit-limit-requests"] == limit


def test_the_file_may_be_named_by_the_environment_and_say_where_the_data_is(start, tmp_path, environment):
    file, root = tmp_path / "vecstore.toml", tmp_path / "elsewhere"
    file.write_text(f'root = "{root}"\nbatch_object = "vector_store.files_batch"\n')
    del environment["VECSTORE_ROOT"]
    server = start(env={"VECSTORE_CONFIG": str(file)})
    store = httpx.post(f"{server.url}/v1/vector_stores").json()["id"]
    batch = httpx.post(f"{server.url}/v1/vector_stores/{store}/file_batches", json={"file_ids": ["file-a"]}).json()
    assert batch["object"] == "vector_store.files_batch"
    assert (root / "catalog.db").exists()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("prot = 8000", "has 'prot', which is no setting; did you mean 'root' or 'port'?"),
        ("require-key = true", "did you mean 'require_key'?"),
        ("zzz = 1", "has 'zzz', which is no setting; there are batch_object, cache,"),
        ('port = "many"', "'many' is not a valid integer"),
        ("port = 80000", "80000 is not in the range"),
        ("port = [1]", "port must be a text, a number, true or false, not [1]"),
        ("port = true", "'True' is not a valid integer"),
        ('require_key = "perhaps"', "'perhaps' is not a valid boolean"),
        ('batch_object = "vs"', "'vs' is not one of"),
        ("root = {}", "root must be a text"),
        ('sandbox = "some"', "'some' is not one of"),
        ("[server]\nport = 1", "has 'server', which is no setting"),
        ("port", "is not TOML"),
    ],
)
def test_a_file_that_says_something_else_is_refused(run, tmp_path, said, sentence):
    (tmp_path / "vecstore.toml").write_text(said)
    assert sentence in run("serve", "--config", str(tmp_path / "vecstore.toml"), status=2)


def test_a_misspelt_variable_is_told(start):
    server = start(env={"VECSTORE_PROT": "1", "VECSTORE_TORCH": "torch"})
    told = [line["message"] for line in server.lines() if line["level"] == "warning"]
    assert told == ["the environment variable VECSTORE_PROT is no setting, and is ignored"]


def test_a_chat_model_rewrites_queries_and_where_it_fails_the_rules_do(start, run, tmp_path):
    assert "--rewrite-url and --rewrite-model" in run("--rewrite-url", "http://127.0.0.1:9/v1", "serve", status=2)
    answers = [(400, "Hi, what is the rent?"), "monthly rent\nboathouse"]
    with chat_server.running(lambda _: answers.pop()) as chat:
        file = tmp_path / "vecstore.toml"
        file.write_text(f'rewrite_url = "{chat.url}"\nrewrite_model = "small"\n')
        server = start("--config", file, "--log-format", "json", env={"VECSTORE_REWRITE_KEY": "secret"})
        server.ready()
        with httpx.Client(base_url=f"{server.url}/v1") as client:
            store = client.post("/vector_stores").json()["id"]
            for used in (["monthly rent", "boathouse"], ["rent"]):
                asked = {"query": "Hi, what is the rent?", "rewrite_query": True}
                assert client.post(f"/vector_stores/{store}/search", json=asked).json()["search_query"] == used
    assert chat.keys == ["Bearer secret"] * 2
    assert {body["model"] for body in chat.asked} == {"small"}
    assert server.stop() == 0
    [warning] = [line["message"] for line in server.lines() if line["level"] == "warning"]
    assert "answered 400; queries are rewritten by rules" in warning
    assert "rent" not in warning


def test_without_a_key_it_stays_on_this_machine(run, start):
    said = run("serve", "--host", "0.0.0.0", "--port", "0", status=2)
    assert "'0.0.0.0' reaches beyond this machine, and there is no API key yet" in said
    run("keys", "create", "app")
    server = start("--host", "0.0.0.0")
    assert httpx.get(f"http://127.0.0.1:{server.url.rsplit(':', 1)[1]}/v1/files").status_code == 401


def test_a_key_can_be_required_before_there_is_one(start, run):
    server = start("--require-key")
    answer = httpx.get(f"{server.url}/v1/files", headers={"authorization": "Bearer any"})
    assert answer.status_code == 401
    assert "vecstore keys create" in httpx.get(f"{server.url}/v1/files").json()["error"]["message"]


def test_a_port_that_is_taken_is_said(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = run("serve", "--port", str(taken.getsockname()[1]), status=1)
    assert "address already in use" in said
    assert f"cannot listen on 127.0.0.1:{taken.getsockname()[1] if taken.fileno() >= 0 else ''}" in said


def test_a_folder_has_one_server(run, start):
    start()
    assert "in use" in run("serve", "--port", "0", status=1) or "another process" in run("list", status=1)
