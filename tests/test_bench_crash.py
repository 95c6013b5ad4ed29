"""The crash campaign's own parts: what a journal promises, and that the checker finds what is broken."""

import json
import subprocess
import sys

import pytest

from bench.crash import checker, migration, points, tally
from bench.crash.journal import DAY_S, EXPIRED, Journal, Promised
from bench.crash.workload import main as workload
from bench.crash.workload import open_engine
from vecstore import Workers, failpoints


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal")


def test_what_is_done_is_certain_and_what_was_only_begun_may_be_either(journal):
    first = journal.begin("upload", {"file/a.txt": "aa"})
    journal.begin("change", {"store/s": "v1"})
    journal.say("done", id=first)
    journal.begin("delete", {"file/a.txt": None})
    again = Promised.read(journal.path)
    assert again.possible == {"file/a.txt": {"aa", None}, "store/s": {None, "v1"}}
    assert again.certain("") == {}


def test_half_a_line_at_the_end_was_never_said(journal):
    journal.say("done", id=journal.begin("upload", {"file/a.txt": "aa"}))
    path = journal.path
    path.write_bytes(path.read_bytes()[:-5])
    assert Promised.read(path).possible == {"file/a.txt": {"aa", None}}


def test_an_expired_store_has_lost_its_files_at_that_second(journal):
    born = journal.promised.clock
    journal.say("done", id=journal.begin("create", {"store/x1": "new"}))
    journal.say("done", id=journal.begin("add", {"file/f.txt": "aa", "member/x1/f.txt": 3}))
    journal.say("clock", now=born + 2 * DAY_S)
    assert journal.promised.possible == {"store/x1": {EXPIRED}, "file/f.txt": {"aa"}, "member/x1/f.txt": {None}}
    assert journal.promised.levels == [(born, "member/x1/f.txt", True), (born + DAY_S, "member/x1/f.txt", False)]


@pytest.fixture
def worked(tmp_path):
    """A data folder after one run of the workload, and its journal; nothing is wrong with it."""
    assert workload([str(tmp_path / "kb"), str(tmp_path / "journal"), "1"]) == 0
    assert checker.check(tmp_path / "kb", tmp_path / "journal") == []
    return tmp_path / "kb", tmp_path / "journal"


@pytest.fixture
def damaged(worked):
    """`damaged(act)`: what the checker says once somebody has acted on the engine unseen."""

    def damage(act):
        folder, path = worked
        with Workers(sandbox="off") as workers, open_engine(folder, Promised.read(path), workers) as engine:
            act(engine)
        journal = Journal(path)
        journal.say("clock", now=journal.promised.clock + 60)  # so that the meter has run on
        return checker.check(folder, path)

    return damage


def stored(engine):
    return next(store for store in map(engine.get, [info.id for info in engine.list()]) if store.list())


def test_a_lost_file_is_found(damaged):
    said = damaged(lambda engine: engine.delete_file(stored(engine).list()[0].id))
    assert any("is None, and was promised to be" in each for each in said)
    assert any("the meter says" in each for each in said)


def test_a_file_that_comes_back_is_found(damaged):
    said = damaged(lambda engine: stored(engine).add(("back.txt", b"from the dead")))
    assert any(each.startswith("file/back.txt is") for each in said)


def test_an_attribute_that_changes_is_found(damaged):
    said = damaged(lambda engine: stored(engine).update(stored(engine).list()[0].id, attributes={"year": -1}))
    assert any("is -1, and was promised to be" in each for each in said)


def test_a_damaged_backup_is_found(worked, flip_byte):
    folder, path = worked
    catalog = max((folder.with_name("backups") / "snapshots").glob("*/catalog.db"))
    flip_byte(catalog)
    with pytest.raises(Exception, match="damaged"):
        checker.check(folder, path)


def test_half_of_an_operation_is_found(worked):
    folder, path = worked
    journal = Journal(path)
    [first, second, *_] = journal.promised.certain("member/")
    journal.begin("delete", {first: None, second: None, "store/no": None})
    assert checker.check(folder, path) == []
    journal.begin("change", {first: 1_000, "store/other": "v"})
    with Workers(sandbox="off") as workers, open_engine(folder, journal.promised, workers) as engine:
        _, store, name = first.split("/")
        [file] = [file for file in engine.get(store).list() if file.filename == name]
        engine.get(store).update(file.id, attributes={"year": 1_000})
    assert any(each.startswith("half of an operation is there") for each in checker.check(folder, path))


def test_a_plan_has_every_failpoint_before_any_twice_and_is_the_same_for_the_same_seed():
    drawn = points.plan(1_000, seed=4)
    assert drawn == points.plan(1_000, seed=4)
    assert len(drawn) == 1_000
    assert {point.where for point in drawn if point.kind == "failpoint"} >= {f"{name}:1" for name in failpoints.names()}
    assert {point.kind for point in drawn} == set(points.TIER)
    assert len(points.plan(sum(points.TIER.values()), seed=1)) == sum(points.TIER.values())


def test_every_past_format_is_migrated_in_some_campaign():
    assert len(migration.past_formats()) >= 5


def test_the_command_tells_what_became_of_every_point():
    command = [sys.executable, "-m", "bench", "crash", "--points", "6", "--seed", "2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    report = json.loads(done.stdout)
    assert (done.returncode, report["failures"]) == (0, 0), report["broken"]
    assert report["points"] + (len(report["left_out"]) and 2) == 6
    assert "6 points" in tally.table(report) or report["left_out"]
