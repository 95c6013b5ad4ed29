"""The command line: adding, listing, cutting and deleting, and what is said when something is wrong."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import command_line
import pytest
from click.testing import CliRunner
from command_line import json_lines, names
from embeddings_server import Embeddings

import vecstore
from vecstore.cli import main

environment, run = command_line.environment, command_line.run
docs, filled = command_line.docs, command_line.filled


def test_the_main_job_from_folder_to_cited_passage(run, filled):
    [best, *_] = json_lines(run("search", "kb", "parental leave", "--json"))
    assert best["filename"] == "leave.md"
    assert best["heading_path"] == ["Leave"]
    assert best["passage"]["start"] == 0
    assert best["text"][slice(*best["highlights"][0])] == "Leave"
    wanted = {"file_id", "filename", "chunk_id", "score", "pages", "heading_path", "start", "end", "text", "attributes"}
    assert wanted <= best.keys()
    assert run("check").output.strip() == "All is well."
    assert run("check", "--deep").output.strip() == "All is well."


def test_names_in_a_folder_are_paths_below_it_and_hidden_files_stay_out(run, filled):
    assert names(run("files", "kb", "--json")) == ["leave.md", "deep/codes.txt"]


def test_globs_and_files_may_be_mixed_and_each_file_is_added_once(run, docs):
    run("create", "kb")
    run("add", "kb", str(docs / "**" / "*.txt"), str(docs / "leave.md"), str(docs))
    assert names(run("files", "kb", "--json")) == ["deep/codes.txt", "leave.md"]


def test_adding_again_adds_nothing_and_a_changed_file_replaces_itself(run, filled):
    assert "2 unchanged" in run("add", "kb", str(filled)).stderr
    (filled / "leave.md").write_text("# Leave\n\nParental leave is twenty weeks.\n")
    assert "1 replaced, 1 unchanged" in run("add", "kb", str(filled)).stderr
    assert sorted(names(run("files", "kb", "--json"))) == ["deep/codes.txt", "leave.md"]
    assert "sixteen" not in run("search", "kb", "parental leave weeks", "--json").output
    assert names(run("files", "--json")) == ["deep/codes.txt", "leave.md"]
    run("check")


def test_a_bad_file_is_told_and_the_others_go_on(run, docs):
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    (docs / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    run("create", "kb")
    done = run("add", "kb", str(docs), str(docs / "missing.txt"), status=1)
    assert "'broken.pdf'" in done.stderr
    assert "'photo.png'" in done.stderr
    assert "missing.txt' does not exist" in done.stderr
    assert "2 added, 2 failed, 1 not found" in done.stderr
    assert sorted(names(run("files", "kb", "--json"))) == ["deep/codes.txt", "leave.md"]
    run("check")


def test_chunk_sizes_are_openais_and_out_of_bounds_is_a_wrong_command(run, docs):
    run("create", "kb")
    (docs / "long.txt").write_text("one two three four five six seven.\n" * 200)
    run("add", "kb", str(docs / "long.txt"), "--chunk-size", "100", "--chunk-overlap", "0")
    assert all(line["tokens"] <= 100 for line in json_lines(run("chunks", "kb", "long.txt", "--json")))
    refused = run("add", "kb", str(docs / "long.txt"), "--chunk-size", "99", status=2)
    assert "max_chunk_size_tokens must be 100 to 4096, not 99" in refused.stderr


def test_chunks_show_what_was_parsed_and_how_it_was_cut(run, filled):
    shown = run("chunks", "kb", "codes.txt").output
    assert "deep/codes.txt" in shown
    assert "E-2041 means a CRC mismatch." in shown
    assert "0:29" in shown


def test_stores_are_listed_shown_measured_and_removed(run, filled):
    [listed] = json_lines(run("list", "--json"))
    assert listed["name"] == "kb"
    assert "2 completed" in run("show", "kb").output
    assert listed["id"] in run("show", listed["id"]).output
    assert f"{listed['usage_bytes']:,}" in run("usage").output
    assert "deleted the vector store 'kb'" in run("rm", "kb", "--yes").output
    assert run("list", "--json").stdout == ""


def test_detaching_keeps_the_upload_and_removing_the_file_does_not(run, filled):
    [leave, _] = json_lines(run("files", "kb", "--json"))
    run("detach", "kb", "leave.md")
    assert names(run("files", "kb", "--json")) == ["deep/codes.txt"]
    assert leave["id"] in run("files", "--json").output
    run("rm", leave["id"], "--yes")
    assert leave["id"] not in run("files", "--json").output
    run("check")


def test_nothing_is_deleted_without_a_yes(run, filled):
    assert "--yes is needed" in run("rm", "kb", status=2).stderr
    assert len(json_lines(run("list", "--json"))) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("search", "none", "x"), 1, "No vector store found with the name or id 'none'."),
        (("search", "kb", " "), 2, "query must be a text that is not empty"),
        (("search", "kb", "x", "-n", "51"), 2, "max_num_results must be 1 to 50, not 51"),
        (("search", "kb", "x", "--score-threshold", "2"), 2, "score_threshold must be 0 to 1, not 2.0"),
        (("search", "kb", "x", "--filter", "{"), 2, "--filter is not JSON"),
        (("search", "kb", "x", "--weights", "0", "0"), 2, "at least one weight above 0"),
        (("add", "kb", "x", "--attr", "novalue"), 2, "--attr must be KEY=VALUE, not 'novalue'"),
        (("create", "kb"), 1, "a vector store named 'kb' exists already"),
        (("chunks", "kb", "none.txt"), 1, "no file 'none.txt' in vector store 'kb'"),
        (("detach", "kb", "none.txt"), 1, "no file 'none.txt' in vector store 'kb'"),
        (("rm", "file-none", "--yes"), 1, "No such File object: file-none"),
        (("fly",), 2, "No such command 'fly'"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_an_exit_status(run, filled, arguments, status, sentence):
    assert sentence in run(*arguments, status=status).stderr


def test_a_data_folder_that_is_not_there_is_told_and_not_made(tmp_path, run, environment):
    assert "'vecstore create NAME' makes one" in run("list", status=1).stderr
    assert not Path(environment["VECSTORE_ROOT"]).exists()


def test_a_second_process_is_told_who_has_the_folder(run, environment, filled):
    with vecstore.open(environment["VECSTORE_ROOT"], embedder=vecstore.HashingEmbedder()):
        command = [sys.executable, "-m", "vecstore", "list"]
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"is open in another process (process {os.getpid()})" in done.stderr


def test_ctrl_c_leaves_a_consistent_store_and_the_same_command_goes_on(run, environment, docs, monkeypatch):
    for i in range(40):
        (docs / f"file{i:02}.txt").write_text(f"number{i} " * 2000)
    run("create", "kb")
    monkeypatch.setattr(Embeddings, "delay_s", 0.3)  # so that it is still at work when it is interrupted
    hears_ctrl_c = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # also in the background
    stuck = "import threading; threading.Thread(target=threading.Event().wait).start()"  # as of a library's pool
    program = f"{hears_ctrl_c}; {stuck}; from vecstore.cli import program; program()"
    command = [sys.executable, "-c", program, "add", "kb", str(docs), "--json"]
    adding = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    adding.stdout.readline()
    adding.send_signal(signal.SIGINT)
    _, errors = adding.communicate(timeout=60)
    assert adding.returncode == 130
    assert "Interrupted" in errors
    monkeypatch.setattr(Embeddings, "delay_s", 0.0)
    kept = len(json_lines(run("files", "kb", "--json")))
    assert 0 < kept < 42
    run("check")
    run("add", "kb", str(docs))
    assert len(set(names(run("files", "kb", "--json")))) == 42
    assert len(names(run("files", "kb", "--json"))) == 42
    run("check")


def test_help_teaches_every_verb_and_imports_nothing_heavy():
    for verb in main.commands:
        assert CliRunner().invoke(main, [verb, "--help"]).exit_code == 0
    program = "import sys; from vecstore.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    loaded = (
        program
        + "print([m for m in ('numpy', 'faiss', 'torch', 'sqlalchemy', 'openvino', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "vecstore create handbook" in done.stdout


def test_names_are_shown_as_they_are_and_terminals_obey_nothing_in_them(run, tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in (b"notes [draft].md", b"[bold]x.txt", b"\x1b[31mred.txt", b"b\xff.txt"):
        (folder / os.fsdecode(name)).write_text("words of this file\n")
    run("create", "[/bold]")
    assert "4 added" in run("add", "[/bold]", str(folder)).stderr
    shown = run("files", "[/bold]").stdout + run("search", "[/bold]", "words").stdout + run("list").stdout
    assert "notes [draft].md" in shown
    assert "[bold]x.txt" in shown
    assert "\x1b" not in shown
    assert "[/bold]" in run("usage").stdout
    run("check")


def test_tables_keep_names_and_ids_whole_in_a_narrow_terminal(environment, filled, run):
    [listed] = json_lines(run("list", "--json"))
    program = "import os, pty, sys; os.environ['COLUMNS'] = '80'; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    for verb in (["list"], ["files", "kb"]):
        command = [sys.executable, "-c", program, sys.executable, "-m", "vecstore", *verb]
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
        assert (listed["id"] if verb == ["list"] else "deep/codes.txt") in done.stdout


def test_a_store_goes_with_its_files_if_asked_to(run, filled):
    done = run("rm", "kb", "--yes", "--with-files")
    assert "with its 2 files" in done.output
    assert run("files", "--json").stdout == ""


def test_a_name_that_is_empty_or_looks_like_an_id_is_refused(run):
    for name in ("", " ", "vs_abc", "file-abc"):
        assert "a name must not be empty or look like an id" in run("create", name, status=2).stderr


def test_how_a_file_would_be_cut_is_shown_without_adding_it(run, docs, tmp_path):
    shown = run("chunks", "--dry-run", str(docs / "leave.md"), "--strategy", "structure", "--chunk-size", "100").output
    assert "leave.md  text/markdown  1 chunk of whole sections of about 100 tokens" in shown
    assert "Parental leave is sixteen weeks." in shown
    assert not (tmp_path / "kb").exists()
    [line] = run("chunks", "--dry-run", str(docs / "leave.md"), "--json").output.splitlines()
    assert json.loads(line)["lines"] == [1, 5]
    assert "takes one path" in run("chunks", "--dry-run", "kb", str(docs / "leave.md"), status=2).output


def test_how_a_file_was_cut_is_shown_without_naming_its_store(run, docs):
    run("create", "kb")
    run("add", "kb", str(docs), "--strategy", "structure")
    assert run("chunks", "leave.md").output == run("chunks", "kb", "leave.md").output
    assert "are for --dry-run" in run("chunks", "leave.md", "--strategy", "auto", status=2).output
    assert "no vector store has a file 'x.md'" in run("chunks", "x.md", status=1).output


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--strategy", "structure", "--chunk-overlap", "10"), "--chunk-overlap does not go with --strategy structure"),
        (("--strategy", "auto", "--chunk-size", "200"), "--strategy auto has its own sizes"),
        (("--strategy", "structure", "--chunk-size", "99"), "target_chunk_size_tokens must be 100 to 4096, not 99"),
    ],
)
def test_strategies_that_contradict_themselves_are_refused(run, docs, options, sentence):
    run("create", "kb")
    assert sentence in run("add", "kb", str(docs), *options, status=2).output


def test_info_tells_what_is_there(run, environment):
    facts = json.loads(run("info", "--json").output)
    assert facts["data_folder"] == f"{environment['VECSTORE_ROOT']} (not made yet)"
    assert (facts["embedder"], facts["precision"]) == ("openai:hashing:64", None)
    assert ".docx" in facts["file_types"]
    assert facts["sandbox"].split(":")[0] in {"full", "partial"}
    assert "sandbox" in run("info").output
    off = run("--sandbox", "off", "info").output
    assert "none: documents are parsed in this process" in off
