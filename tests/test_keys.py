"""API keys in the library, also while another process has the data folder."""

import hashlib
import json
import re
import sqlite3
import subprocess
import sys

import pytest
from test_migrations import first_format

from vecstore import FormatError, InvalidRequestError, NotFoundError
from vecstore.accounts import open_accounts
from vecstore.catalog import FORMAT
from vecstore.expiry import DAY_S
from vecstore.keys import MAX_DAYS, USED_EVERY_S


@pytest.fixture
def keys(engine):
    return engine.keys


@pytest.fixture
def run_elsewhere(data_folder):
    """Calls a verb in a process of its own; what it prints."""

    def call(*arguments):
        command = [sys.executable, "-m", "vecstore", "--root", str(data_folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return call


def last_used(keys):
    return [key.last_used_at for key in keys.list()]


# The library -----------------------------------------------------------------------------------


def test_a_secret_is_sk_vs_and_43_base62_characters_and_a_key_id_key_and_24(keys):
    key, secret = keys.create("app")
    assert re.fullmatch(r"sk-vs-[0-9a-zA-Z]{43}", secret)
    assert re.fullmatch(r"key_[0-9a-zA-Z]{24}", key.id)
    assert secret.endswith(key.hint)
    assert len(key.hint) == 4


def test_no_two_secrets_are_alike(keys):
    assert len({keys.create("same name")[1] for _ in range(50)}) == 50


def test_a_secret_is_nowhere_in_the_data_folder_only_its_hash_is(open_engine, data_folder):
    engine = open_engine()
    _, secret = engine.keys.create("app")
    engine.close()
    written = b"".join(path.read_bytes() for path in data_folder.rglob("*") if path.is_file())
    assert secret.encode() not in written
    assert secret.removeprefix("sk-vs-").encode() not in written
    assert hashlib.sha256(secret.encode()).hexdigest().encode() in written


def test_a_key_is_known_by_its_secret_as_text_or_bytes_also_after_a_restart(open_engine):
    engine = open_engine()
    key, secret = engine.keys.create("app")
    assert engine.keys.authenticate(secret) == engine.keys.authenticate(secret.encode()) == key
    engine.close()
    assert open_engine().keys.authenticate(secret).id == key.id


@pytest.mark.parametrize(
    "change",
    [
        lambda _: "",
        lambda _: b"",
        lambda secret: secret[:-1],
        lambda secret: secret + "a",
        lambda secret: secret + "\0",
        lambda secret: " " + secret,
        lambda secret: secret.upper(),
        lambda secret: secret.removeprefix("sk-vs-"),
        lambda secret: secret[-4:],
        lambda secret: hashlib.sha256(secret.encode()).hexdigest(),
        lambda secret: secret[:-1] + "é",
        lambda secret: secret[:-1] + "\ud800",
        lambda secret: secret.encode() + b"\xff\xfe",
        lambda secret: secret * 100_000,
        lambda _: "' OR 1=1 --",
    ],
)
def test_whatever_is_not_the_secret_is_unknown(keys, change):
    _, secret = keys.create("app")
    assert keys.authenticate(change(secret)) is None
    assert keys.authenticate(secret) is not None


def test_a_key_expires_to_the_second(keys, clock):
    key, secret = keys.create("app", expires_after_s=DAY_S)
    assert key.expires_at == clock.seconds + DAY_S
    clock.move(DAY_S - 1)
    assert keys.authenticate(secret).id == key.id
    clock.move(1)
    assert keys.authenticate(secret) is None


def test_a_revoked_key_is_refused_at_once_and_for_good(keys, clock):
    (key, secret), (_, other) = keys.create("app"), keys.create("other")
    assert keys.authenticate(secret) is not None
    assert keys.revoke(key.id).revoked_at == clock.seconds
    assert keys.authenticate(secret) is None
    assert keys.authenticate(other) is not None
    clock.move(5)
    assert keys.revoke(key.id).revoked_at == clock.seconds - 5


def test_a_key_that_is_not_there_cannot_be_revoked(keys):
    keys.create("app")
    with pytest.raises(NotFoundError, match=r"^No API key found with the name or id 'apple'\.$"):
        keys.revoke("apple")
    with pytest.raises(InvalidRequestError, match="key must be a string, not 5"):
        keys.revoke(5)
    assert [key.revoked_at for key in keys.list()] == [None]


def test_a_key_is_revoked_by_its_name_if_only_one_has_it(keys):
    (first, _), (second, _), (other, _) = keys.create("app"), keys.create("app"), keys.create("other")
    assert keys.revoke("other").id == other.id
    with pytest.raises(InvalidRequestError, match=f"key 'app' is the name of 2 keys: {first.id}, {second.id}"):
        keys.revoke("app")
    keys.revoke(first.id)
    assert keys.revoke("app").id == second.id
    with pytest.raises(NotFoundError):
        keys.revoke("app")


@pytest.mark.parametrize(
    ("given", "held"),
    [
        (["read"], ("read",)),
        (["write"], ("read", "write")),
        (["admin"], ("read", "write", "admin")),
        (["admin", "read"], ("read", "write", "admin")),
    ],
)
def test_a_scope_has_those_before_it(keys, given, held):
    key, secret = keys.create("app", scopes=given)
    assert key.scopes == held
    assert keys.authenticate(secret).scopes == held


def test_a_key_may_write_unless_it_is_said(keys):
    assert keys.create("app")[0].scopes == ("read", "write")


def test_a_key_belongs_to_a_project_by_name_or_id(engine):
    made = engine.create_project("research")
    assert engine.keys.create("a", project="research")[0].project_id == made.id
    assert engine.keys.create("b", project=made.id)[0].project_id == made.id
    assert engine.keys.create("c")[0].project_id == "proj_default"
    with pytest.raises(NotFoundError, match="No project found with the name or id 'reserach'"):
        engine.keys.create("d", project="reserach")
    assert [key.name for key in engine.keys.list()] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": ""}, "name must be a string of 1 to 256 characters, not ''"),
        ({"name": "x" * 257}, "name must be a string of 1 to 256 characters"),
        ({"name": None}, "name must be a string of 1 to 256 characters, not None"),
        ({"scopes": []}, r"scopes must be some of read, write, admin, not \[\]"),
        ({"scopes": "read"}, "scopes must be some of"),
        ({"scopes": ["read", "root"]}, "scopes must be some of"),
        ({"scopes": [{}]}, "scopes must be some of"),
        ({"scopes": 1}, "scopes must be some of"),
        ({"expires_after_s": 0}, "expires_after_s must be 1 to 315360000 seconds, not 0"),
        ({"expires_after_s": MAX_DAYS * DAY_S + 1}, "expires_after_s must be 1 to 315360000 seconds"),
        ({"expires_after_s": True}, "expires_after_s must be"),
        ({"expires_after_s": 1.5}, "expires_after_s must be"),
        ({"project": 5}, "project must be a string, not 5"),
    ],
)
def test_wrong_arguments_are_named_and_no_key_is_made(keys, wrong, sentence):
    with pytest.raises(InvalidRequestError, match=sentence):
        keys.create(**{"name": "app", **wrong})
    assert not keys.any()


def test_names_of_256_characters_and_odd_ones_are_kept(keys):
    for name in ("x" * 256, "Schlüssel 鍵\0"):
        assert keys.create(name)[0].name == name
    assert [key.name for key in keys.list()][1] == "Schlüssel 鍵\0"


def test_there_was_a_key_once_also_when_it_holds_no_more(keys):
    assert not keys.any()
    keys.revoke(keys.create("app")[0].id)
    assert keys.any()


def test_use_is_noted_at_most_once_a_minute(keys, clock):
    _, secret = keys.create("app")
    assert last_used(keys) == [None]
    used = []
    for seconds in (0, 1, USED_EVERY_S - 2, 1, 7, USED_EVERY_S):
        clock.move(seconds)
        assert keys.authenticate(secret)
        keys.flush()
        used.append(last_used(keys)[0] - clock.seconds)
    assert used == [0, -1, -(USED_EVERY_S - 1), 0, -7, 0]


def test_use_writes_nothing_to_the_disk_while_it_is_known(keys, data_folder):
    _, secret = keys.create("app")
    keys.authenticate(secret)
    keys.flush()
    watching = sqlite3.connect(data_folder / "catalog.db")
    version = "PRAGMA data_version"  # another one after each change by somebody else
    before = watching.execute(version).fetchone()
    for _ in range(100):
        assert keys.authenticate(secret)
        assert keys.authenticate("unknown") is None
        keys.flush()
    assert watching.execute(version).fetchone() == before
    keys.create("other")
    assert watching.execute(version).fetchone() != before
    watching.close()


def test_use_is_written_a_second_later_by_itself(keys, clock):
    _, secret = keys.create("app")
    keys.authenticate(secret)
    keys._timer.join()
    assert last_used(keys) == [clock.seconds]


def test_a_use_before_the_engine_is_closed_ends_quietly(open_engine):
    engine = open_engine()
    engine.keys.authenticate(engine.keys.create("app")[1])
    timer = engine.keys._timer
    engine.close()
    if timer is not None:
        timer.join()  # an error in a thread is an error of the test


def test_a_refused_key_is_not_noted_as_used(keys):
    key, secret = keys.create("app")
    keys.revoke(key.id)
    keys.authenticate(secret)
    keys.flush()
    assert last_used(keys) == [None]


# Several processes -----------------------------------------------------------------------------


def test_what_a_second_process_changes_holds_here_at_once(open_engine, run_elsewhere):
    engine = open_engine()
    run_elsewhere("projects", "research", "--create")
    secret = run_elsewhere("keys", "create", "app", "--project", "research", "--scope", "read")
    key = engine.keys.authenticate(secret)
    assert (key.name, key.project_id, key.scopes) == ("app", engine.project("research").id, ("read",))
    engine.keys.flush()
    [listed] = map(json.loads, run_elsewhere("keys", "list", "--json").splitlines())
    assert (listed["id"], listed["last_used_at"]) == (key.id, engine.now())
    run_elsewhere("keys", "revoke", key.id)
    assert engine.keys.authenticate(secret) is None
    store = engine.create("kb", project="research")  # and the engine goes on writing
    assert engine.get("kb").id == store.id
    assert engine.check() == []


def test_accounts_are_open_beside_an_engine_and_see_the_same(engine, data_folder, clock):
    with open_accounts(data_folder, now=clock) as accounts:
        made = accounts.create_project("research", price_per_gb_day="0.05")
        assert engine.projects() == accounts.projects()
        assert engine.project(made.id) == accounts.project("research") == made
        accounts.set_price("research", None)
        assert engine.project("research").price_per_gb_day is None
        key, secret = accounts.keys.create("app", project="research")
        assert engine.keys.authenticate(secret) == accounts.keys.authenticate(secret) == key
        with pytest.raises(InvalidRequestError, match="is the name of a project already"):
            accounts.create_project("research")
        with pytest.raises(InvalidRequestError, match="name must be a string of 1 to 256 characters"):
            accounts.create_project("")
        with pytest.raises(NotFoundError, match="'nobody'"):
            accounts.project("nobody")


def test_accounts_neither_make_nor_migrate_a_folder(data_folder):
    with pytest.raises(FormatError, match=f"has no catalogue, not format {FORMAT}"), open_accounts(data_folder):
        pass
    assert not data_folder.exists()
    data_folder.mkdir()
    first_format(data_folder / "catalog.db")
    before = (data_folder / "catalog.db").read_bytes()
    with pytest.raises(FormatError, match=f"has data format 0001, not format {FORMAT}"), open_accounts(data_folder):
        pass
    assert (data_folder / "catalog.db").read_bytes() == before
