"""The verb that stays: the server."""

from __future__ import annotations

import difflib
import logging
import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from vecstore.cli.options import Options, main

_OF_SETUP = {"VECSTORE_TORCH"}  # read by .ci/setup

log = logging.getLogger("vecstore.server")

_Verb = TypeVar("_Verb", bound=Callable[..., None])


def _configured(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """Takes what the file says where neither a flag nor the environment says something."""
    del param
    if value is None:
        return None
    try:
        said = tomllib.loads(value.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{value} is not TOML: {error}") from error
    assert ctx.parent is not None
    own = {str(param.name): param for param in ctx.command.params if param.name not in ("config", "help")}
    shared = {each.name for each in fields(Options)}
    of_all = {str(param.name): param for param in ctx.parent.command.params if param.name in shared}
    given = {name: _typed(ctx, value, name, one, {**own, **of_all}) for name, one in said.items()}
    ctx.default_map = {name: one for name, one in given.items() if name in own}
    unsaid = [name for name in of_all if ctx.parent.get_parameter_source(name) is ParameterSource.DEFAULT]
    options: Options = ctx.obj
    ctx.obj = replace(options, **{name: given[name] for name in unsaid if name in given})
    return value


def _typed(ctx: click.Context, file: Path, name: str, value: object, known: Mapping[str, click.Parameter]) -> Any:
    if name not in known:
        plain = name.replace("-", "_")
        near = [plain] if plain in known else difflib.get_close_matches(plain, known, n=2)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(sorted(known))}"
        raise click.BadParameter(f"{file} has {name!r}, which is no setting; {hint}")
    if not isinstance(value, str | int | float):
        raise click.BadParameter(f"{file}: {name} must be a text, a number, true or false, not {value!r:.80}")
    try:
        return known[name].type_cast_value(ctx, str(value))
    except click.BadParameter as error:
        raise click.BadParameter(f"{file}: {name}: {error.message}") from error


def _warn_of_unknown_variables(ctx: click.Context) -> None:
    """A misspelt one is ignored, and should not be so without a word; some systems set such names by themselves."""
    assert ctx.parent is not None
    known = {param.envvar for param in [*ctx.command.params, *ctx.parent.command.params]} | _OF_SETUP
    for name in sorted(os.environ):
        if name.startswith("VECSTORE_") and name not in known:
            log.warning("the environment variable %s is no setting, and is ignored", name)


def _setting(name: str, **said: Any) -> Callable[[_Verb], _Verb]:
    """A flag that an environment variable of its name stands in for."""
    variable = "VECSTORE_" + name.removeprefix("--").replace("-", "_").upper()
    return click.option(name, envvar=variable, show_envvar=True, **{"show_default": True, **said})


@main.command()
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="VECSTORE_CONFIG",
    show_envvar=True,
    is_eager=True,
    callback=_configured,
    help="A TOML file with any of these settings, by their names: port = 8000. Flags and environment go before it.",
)
@_setting("--host", default="127.0.0.1", help="Where to listen; beyond this machine only once there is an API key.")
@_setting("--port", type=click.IntRange(0, 65535), default=8000, help="0 takes a free one.")
@_setting("--require-key", is_flag=True, help="Ask for an API key also before the first one is made.")
@_setting(
    "--batch-object",
    type=click.Choice(["vector_store.file_batch", "vector_store.files_batch"]),
    default="vector_store.file_batch",
    help="What a file batch calls itself: as OpenAI's service does, or as strict older clients want.",
)
@_setting("--poll-after-ms", type=click.IntRange(10, 60_000), default=250, help="For clients that wait for a file.")
@_setting("--requests-per-minute", type=click.IntRange(1), default=10_000, help="Of one key; more are told to wait.")
@_setting("--max-requests", type=click.IntRange(1), default=256, help="At work at a time; of one key half.")
@_setting("--max-uploads", type=click.IntRange(1), default=32, help="Of these, with a file on its way in.")
@_setting("--max-connections", type=click.IntRange(1), default=1000, help="Idle ones, too.")
@_setting("--min-free-mb", type=click.IntRange(0), default=256, help="Of the data folder's disk, to be ready.")
@_setting("--metrics-token", show_default=False, help="Lets its bearer read /metrics from anywhere.")
@_setting("--log-format", type=click.Choice(["auto", "json", "text"]), default="auto", help="auto: text on a terminal.")
@_setting("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@click.pass_context
def serve(ctx: click.Context, /, host: str, port: int, **given: Any) -> None:
    """Answer OpenAI's clients over HTTP.

    \b
    Point them here:  OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="...")

    Files, uploads, vector stores, file batches, search and usage reports; /docs has all of it, /readyz tells when
    the model is loaded. Until the first 'vecstore keys create' no key is asked for, and only programs on this
    machine are answered. SIGTERM or Ctrl-C lets requests under way end and writes checkpoints; a second Ctrl-C
    does not wait for them.

    What is said of all verbs goes before this one: vecstore --root DIR --device cuda serve. See 'vecstore --help'.
    """
    from vecstore.server import Settings
    from vecstore.server.logs import log_to_stderr
    from vecstore.server.serving import Address, serve

    options: Options = ctx.obj
    as_json = given["log_format"] == "json" or (given["log_format"] == "auto" and not sys.stderr.isatty())
    log_to_stderr(as_json=as_json, level=getattr(logging, given["log_level"].upper()))
    _warn_of_unknown_variables(ctx)
    settings = Settings(
        batch_object=given["batch_object"],
        open_to_all=not given["require_key"],
        poll_after_ms=given["poll_after_ms"],
        requests_per_minute=given["requests_per_minute"],
        max_requests=given["max_requests"],
        max_uploads=given["max_uploads"],
        min_free_bytes=given["min_free_mb"] << 20,
        metrics_token=given["metrics_token"],
    )
    with options.engine(create=True, resume=True) as engine:

        def told(base_url: str) -> None:
            sentence = f"Listening on {base_url}/v1; data in {options.root}."
            log.info(sentence) if as_json else click.echo(sentence, err=True)

        serve(engine, Address(host, port, given["max_connections"]), settings, told=told)
    log.info("stopped; everything is written down")
