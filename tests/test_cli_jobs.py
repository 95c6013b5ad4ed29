import io
import json

import pytest
from click.testing import CliRunner

from vecstore import AddedFile, BatchFile, Source, gather, render, render_usage, terminal
from vecstore.cli import main
from vecstore.expiry import DAY_S


@pytest.fixture
def run(data_folder):
    """Calls a verb on the test's data folder; nothing is embedded, so no model is loaded."""

    def call(*arguments, status=0, **options):
        result = CliRunner().invoke(main, ["--root", str(data_folder), *arguments], **options)
        assert result.exit_code == status, result.output
        return result

    call.root = str(data_folder)
    return call


@pytest.fixture
def papers(tmp_path):
    """A folder of texts with a manifest, to which lines can be given."""
    for name in ("a.md", "b.md", "c.txt"):
        (tmp_path / "papers" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "papers" / name).write_text(f"# Words of {name}\n\nThe tide at {name} is high.\n")

    def write(*lines):
        path = tmp_path / "manifest.jsonl"
        path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
        return str(path)

    return write


def estimate(run, manifest):
    run("create", "kb", "--exist-ok")
    return json.loads(run("batch", "kb", manifest, "--estimate", "--json").stdout)


def test_a_manifest_names_paths_folders_and_globs_from_its_own_folder(run, papers):
    manifest = papers({"file": "papers/*.md"}, "", {"file": "papers/c.txt", "attributes": {"kind": "text"}})
    told = estimate(run, manifest)
    assert (told["files"], told["unchanged"], told["failed"]) == (3, 0, [])
    assert told["usage_bytes"] == told["month"]["added_bytes"] > 3 * 4 * 384
    assert estimate(run, papers({"file": "papers"}))["files"] == 3


def test_an_estimate_changes_nothing(run, papers):
    estimate(run, papers({"file": "papers"}))
    assert run("files", "kb", "--json").stdout == run("files", "--json").stdout == ""
    assert (
        "3 to add, 0 unchanged, 0 not readable" in run("batch", "kb", papers({"file": "papers"}), "--estimate").stdout
    )
    added = run("add", "kb", papers("").replace("manifest.jsonl", "papers"), "--estimate", "--json")
    assert json.loads(added.stdout)["files"] == 3


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "manifest line 2: is not JSON"),
        ('["a"]', 'manifest line 2: must be an object with a "file", not ["a"]'),
        ('{"file": ""}', 'must be an object with a "file"'),
        ('{"file": "a", "attribute": {}}', "may have file, attributes and chunking_strategy, not 'attribute'"),
        ('{"file": "a", "attributes": {"k": []}}', "manifest line 2: attributes ['k'] must be a string"),
        (
            '{"file": "a", "chunking_strategy": {"type": "best"}}',
            "manifest line 2: chunking_strategy must have the type",
        ),
    ],
)
def test_a_line_that_is_wrong_is_named_before_anything_is_done(run, papers, line, sentence):
    run("create", "kb")
    assert sentence in run("batch", "kb", papers({"file": "papers"}, line), status=2).stderr
    assert run("files", "--json").stdout == ""


def test_a_manifest_that_is_not_there_and_files_that_are_not(run, papers):
    run("create", "kb")
    assert "'nowhere.jsonl' cannot be read: No such file" in run("batch", "kb", "nowhere.jsonl", status=2).stderr
    told = run("batch", "kb", papers({"file": "papers"}, {"file": "nope/*"}), "--estimate", "--json", status=1)
    assert "line 2: no file matches" in told.stderr
    assert json.loads(told.stdout)["files"] == 3


def test_batches_are_listed_and_cancelled(run, open_engine, data_folder):
    engine = open_engine(resume=False)
    engine._runner.stop()
    batch = engine.create("kb").batch([("a.txt", b"words")])
    engine.close()
    [listed] = map(json.loads, run("batches", "--json").stdout.splitlines())
    assert (listed["id"], listed["file_counts"]["in_progress"]) == (batch.id, 1)
    assert "in_progress" in run("batches", "kb").stdout
    assert "cancelled" in run("batches", "--cancel", batch.id).stdout
    assert "No file batch found with id 'vsfb_no'" in run("batches", "--cancel", "vsfb_no", status=1).stderr
    run("create", "empty")
    assert "No batches." in run("batches", "empty").stderr


def test_a_store_is_made_with_an_expiry_and_changed(run):
    run("create", "kb", "--expires-after-days", "7")
    assert "7 days after it was last active" in run("show", "kb").stdout
    assert "30 days after" in run("set", "kb", "--expires-after-days", "30", "--name", "library").stdout
    assert "never" in run("set", "library", "--expires-after-days", "never").stdout
    assert (
        "must be a whole number 1 to 365, not 400"
        in run("set", "library", "--expires-after-days", "400", status=2).stderr
    )
    assert "not 'soon'" in run("set", "library", "--expires-after-days", "soon", status=2).stderr
    assert "1 to 365, not 0" in run("create", "other", "--expires-after-days", "0", status=2).stderr


def test_expire_tells_and_takes_out_what_is_due(run, open_engine, clock):
    engine = open_engine()  # its clock is years behind
    engine.create("old", expires_after={"anchor": "last_active_at", "days": 1})
    file = engine.upload(("a.txt", b"words"), expires_after={"anchor": "created_at", "seconds": 3600})
    due = clock.seconds + DAY_S
    engine.close()
    told = [json.loads(line) for line in run("expire", "--dry-run", "--json").stdout.splitlines()]
    assert [(each["kind"], each["name"]) for each in told] == [("file", "a.txt"), ("vector_store", "old")]
    assert told[1]["expired_at"] == due
    assert "file 'a.txt'" in run("expire", "--dry-run").stdout
    assert "expired" in run("expire").stdout
    assert "Nothing has expired." in run("expire").stderr
    assert file.id not in run("files", "--json").stdout
    assert "expired" in run("show", "old").stdout
    assert "has expired" in run("search", "old", "words", status=1).stderr


def test_projects_are_made_priced_and_billed(run):
    assert "default" in run("projects").stdout if run("create", "kb") else ""
    assert "0.05" in run("projects", "research", "--create", "--price", "0.05").stdout
    listed = [
        json.loads(line) for line in run("projects", "research", "--price", "usual", "--json").stdout.splitlines()
    ]
    assert [(each["name"], each["price_per_gb_day"]) for each in listed] == [("research", None)]
    assert "research" in run("projects").stdout
    assert "No project found with the name or id 'reserach'" in run("projects", "reserach", status=1).stderr
    run("create", "papers", "--project", "research")
    assert "papers" in run("usage", "--project", "research").stdout
    assert "kb" not in run("usage", "--project", "research").stdout
    assert "price_per_gb_day must be" in run("projects", "research", "--price", "free", status=2).stderr
    assert "need the NAME" in run("projects", "--price", "1", status=2).stderr
    assert "No project found" in run("create", "x", "--project", "nobody", status=1).stderr


def test_a_manifests_folder_is_no_pattern_and_odd_paths_are_told(run, tmp_path):
    folder = tmp_path / "papers [1]"
    folder.mkdir()
    (folder / "a.txt").write_text("words")
    (folder / "b[2].txt").write_text("words")
    manifest = folder / "m.jsonl"
    manifest.write_text('{"file": "*.txt"}\n{"file": "b[2].txt"}\n')
    assert [source.filename for source in gather.manifest(str(manifest), besides=tmp_path / "kb").sources] == [
        "a.txt",
        "b[2].txt",
    ]
    run("create", "kb")
    for file in ("x" * 300, "x" * 5000 + "*"):
        manifest.write_text(json.dumps({"file": file}))
        assert "manifest line 1: names no file:" in run("batch", "kb", str(manifest), status=2).stderr
    manifest.write_bytes(b"\xff\xfe{")
    assert "is not UTF-8 text" in run("batch", "kb", str(manifest), status=2).stderr


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setattr(terminal.out, "width", 80)


def test_no_column_is_lost_and_no_number_cut_in_a_narrow_terminal(run, open_engine, clock, narrow):
    engine = open_engine()
    store = engine.create("all that was ever said of the northern region", expires_after=None)
    file = store.add(("reports/of/the/northern/region/of/2026.txt", b"tide " * 4000), attributes={"year": 2026})
    batch = store.batch([BatchFile(file.id, {"year": 2026})])
    batch.wait()
    clock.move(5 * 3_600)
    held = f"{store.info().usage_bytes:,}"
    report = engine.usage(clock.seconds - 5 * 3_600, by="hour")
    engine.close()
    for verb, facts in (
        (["list"], [store.id, "northern region", "completed", held, "last active"]),
        (["files", store.id], [file.id, "2026.txt", "completed", held, "year=2026"]),
        (["files"], [file.id, "20,000"]),
        (["batches"], [batch.id, "1 done", "northern", "made"]),
        (["usage", "--from", "2023-11-14", "--to", "2023-11-15"], [store.id, held, "amount"]),
    ):
        shown = run(*verb).stdout
        assert all(fact in shown for fact in facts), shown
        assert "…" not in shown
        assert max(map(len, shown.splitlines()[:-1])) <= 80
    terminal.out.file = shown = io.StringIO()
    render_usage.table(report)
    terminal.out.file = None
    assert all(f"{row.key} " in shown.getvalue() and f" {row.gb_days} " in shown.getvalue() for row in report.rows)


def test_what_is_next_to_nothing_does_not_read_as_nothing(run, open_engine, clock):
    engine = open_engine()
    engine.create("kb").add(("a.txt", b"word"))
    clock.move(60)
    total = engine.usage().total
    assert total.byte_seconds == (4 + 4 * 64) * 60
    assert total.gb_days == "0.0000000002"  # 15,600 / (2^30 * 86,400)
    assert total.amount == "0.000000"


def interrupted_after(done):
    sources = tuple(Source(f"{i}.txt", b"word") for i in range(3))
    with render.adding(gather.Gathered(sources, 12, ()), as_json=False) as view:
        for each in done:
            view.report(each)
        raise KeyboardInterrupt


def test_what_was_kept_is_told_when_it_is_interrupted(capsys):
    for done, told in (([], "nothing added, 3 left"), ([AddedFile("added", "0.txt", "file-0")], "1 added, 2 left")):
        with pytest.raises(KeyboardInterrupt):
            interrupted_after(done)
        assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "kb", "--expires-after-days", "9" * 20],
        ["create", "kb", "--expires-after-days", "9" * 5_000],
        ["set", "kb", "--expires-after-days", "9" * 20],
        ["set", "kb", "--expires-after-days", "9" * 5_000],
        ["search", "kb", "words", "--context", "9" * 5_000],
        ["search", "kb", "words", "-n", "9" * 20],
        ["search", "kb", "words", "--score-threshold", "nan"],
        ["search", "kb", "words", "--weights", "nan", "inf"],
        ["search", "kb", "words", "--filter", "[" * 5_000],
        ["add", "kb", "x", "--chunk-size", "9" * 20],
        ["usage", "--from", "9" * 5_000],
        ["usage", "--to", "0001-01-01"],
        ["files", "a\0b"],
        ["batches", "--cancel", "\ud800"],
        ["projects", "p", "--create", "--price", "1e999"],
    ],
)
def test_odd_options_are_a_sentence_and_an_exit_status(run, arguments):
    run("create", "kb", "--exist-ok")
    done = CliRunner().invoke(main, ["--root", run.root, *arguments])
    assert done.exit_code in {1, 2}, done.output
    assert isinstance(done.exception, SystemExit)
    assert "rror: " in done.stderr
