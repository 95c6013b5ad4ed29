"""API keys on the command line, also where the data folder is of another format."""

import json
import re
import sqlite3

import pytest
from click.testing import CliRunner
from test_migrations import first_format

from vecstore.accounts import open_accounts, stored_format
from vecstore.catalog import FORMAT
from vecstore.cli import main
from vecstore.expiry import DAY_S
from vecstore.folder import DataFolder
from vecstore.keys import MAX_DAYS


@pytest.fixture
def run(data_folder):
    """Calls a verb in this process, without the folder's lock."""

    def call(*arguments, status=0):
        result = CliRunner().invoke(main, ["--root", str(data_folder), *arguments])
        assert result.exit_code == status, result.output
        return result

    return call


def test_an_old_folder_is_migrated_only_when_nobody_has_it(run, data_folder):
    data_folder.mkdir()
    first_format(data_folder / "catalog.db")
    held = DataFolder(data_folder, create=False)
    refused = run("keys", "create", "app", status=1).stderr
    assert f"it has the data format 0001 and cannot be brought to {FORMAT} until that one ends" in refused
    assert stored_format(data_folder) == "0001"
    held.release()
    run("keys", "create", "app")
    assert stored_format(data_folder) == FORMAT


def test_a_newer_folder_is_refused_untouched(open_engine, run, data_folder):
    open_engine().close()
    with sqlite3.connect(data_folder / "catalog.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    before = (data_folder / "catalog.db").read_bytes()
    assert "has data format 9999" in run("keys", "create", "app", status=1).stderr
    assert (data_folder / "catalog.db").read_bytes() == before


def test_create_prints_the_secret_alone_and_tells_people_beside_it(run, data_folder):
    made = run("keys", "create", "app", "--expires-after-days", "7")
    assert re.fullmatch(r"sk-vs-\w{43}\n", made.stdout)
    assert "'default' may read, write and expires" in made.stderr
    assert "shown this once" in made.stderr
    with open_accounts(data_folder) as accounts:
        key = accounts.keys.authenticate(made.stdout.strip())
    assert key.expires_at - key.created_at == 7 * DAY_S


def test_create_makes_the_folder_and_list_does_not(run, data_folder):
    assert "there is no data folder" in run("keys", "list", status=1).stderr
    assert "there is no data folder" in run("keys", "revoke", "key_a", status=1).stderr
    assert not data_folder.exists()
    run("keys", "create", "app")
    assert "app" in run("keys", "list").stdout


def test_create_tells_programs_all_of_it(run):
    told = json.loads(run("keys", "create", "app", "--scope", "admin", "--json").stdout)
    assert told["secret"].endswith(told["hint"])
    assert told["scopes"] == ["read", "write", "admin"]
    assert told["expires_at"] is None


def test_list_shows_keys_of_a_project_and_no_secret(run):
    run("projects", "research", "--create")
    secret = run("keys", "create", "reader", "--project", "research", "--scope", "read").stdout.strip()
    gone = json.loads(run("keys", "create", "writer", "--json").stdout)
    assert f"revoked the key 'writer' ({gone['id']})" in run("keys", "revoke", gone["id"]).stdout
    [reader, writer] = [line for line in run("keys", "list").stdout.splitlines() if "key_" in line]
    assert "research" in reader
    assert f"…{secret[-4:]}" in reader
    assert "never" in reader
    assert "revoked" in writer
    assert secret not in run("keys", "list").stdout
    assert secret not in run("keys", "list", "--json").stdout
    [only] = map(json.loads, run("keys", "list", "--project", "research", "--json").stdout.splitlines())
    assert only["name"] == "reader"
    assert {"secret", "sha256"}.isdisjoint(only)
    run("projects", "empty", "--create")
    assert "No API keys." in run("keys", "list", "--project", "empty").stderr


def test_an_expired_key_is_listed_as_such(open_engine, run):
    open_engine().keys.create("old", expires_after_s=60)  # by a clock that is years behind
    assert "expired 2023-11-14 22:14Z" in run("keys", "list").stdout


def test_what_is_wrong_with_a_command_is_said(run):
    assert "name must be a string of 1 to 256 characters" in run("keys", "create", "", status=2).stderr
    assert "No project found" in run("keys", "create", "app", "--project", "nobody", status=1).stderr
    assert "'root' is not one of" in run("keys", "create", "app", "--scope", "root", status=2).stderr
    assert "No API key found with the name or id 'key_a'" in run("keys", "revoke", "key_a", status=1).stderr
    assert "No API keys." in run("keys", "list").stderr


def test_the_longest_life_is_the_same_on_the_command_line(run):
    run("keys", "create", "app", "--expires-after-days", str(MAX_DAYS))
    assert (
        "not in the range" in run("keys", "create", "app", "--expires-after-days", str(MAX_DAYS + 1), status=2).stderr
    )
