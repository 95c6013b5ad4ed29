"""The files of deploy/ say what the program takes."""

import tomllib
from pathlib import Path

import click
import pytest
import yaml

from vecstore.cli import main

DEPLOY = Path(__file__).parent.parent / "deploy"
SERVE = main.commands["serve"]


def settings():
    """`name: default` of all that may stand in a TOML file."""
    taken = [*SERVE.params, *(param for param in main.params if param.name != "version")]
    return {param.name: param for param in taken if param.name not in ("config", "help")}


def test_the_toml_file_has_every_setting_with_its_default():
    text = (DEPLOY / "vecstore.toml").read_text()
    said = tomllib.loads(text)
    context = click.Context(SERVE)
    for name, value in said.items():
        assert value == settings()[name].get_default(context), name
    unsaid = settings().keys() - said.keys()
    assert all(f"\n# {name} = " in text for name in unsaid)
    assert all(settings()[name].get_default(context) in (None, click.core.UNSET) for name in unsaid)


def test_what_is_commented_out_can_be_commented_in():
    text = (DEPLOY / "vecstore.toml").read_text()
    lines = [line.removeprefix("# ") if " = " in line else line for line in text.splitlines()]
    assert set(tomllib.loads("\n".join(lines))) == set(settings())


def test_the_image_runs_as_nobody_in_particular_and_listens_with_a_key():
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    words = [line.split() for line in lines if line and not line.startswith("#")]
    users = [line[1] for line in words if line[0] == "USER"]
    assert users == ["vecstore"]
    copied = [name for line in words if line[0] == "COPY" and not line[1].startswith("--") for name in line[1:-1]]
    assert all((DEPLOY.parent / name).exists() for name in copied)
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert {f"!{name}" for name in copied} <= set(kept)
    variables = {word.split("=")[0] for line in words for word in line if word.startswith("VECSTORE_")}
    assert variables <= {param.envvar for param in settings().values()}


def test_the_compose_file_builds_it_and_keeps_its_data():
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["vecstore"]
    build = DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]
    assert build.resolve() == (DEPLOY / "Dockerfile").resolve()
    assert service["volumes"] == ["data:/data"]
    assert service["read_only"]


@pytest.mark.parametrize("name", ["vecstore.service", "compose.yaml", "Dockerfile"])
def test_what_they_run_is_a_verb(name):
    assert "serve" in (DEPLOY / name).read_text()
