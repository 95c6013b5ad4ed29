"""The verb that stays: the server."""

from __future__ import annotations

import logging
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from vecstore.cli.options import Options, main

_OF_ALL_VERBS = ("root", "embedder", "embedder_url", "embedder_key", "device", "cache", "sandbox")


def _configured(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """Takes what the file says where neither a flag nor the environment says something."""
    del param
    if value is None:
        return None
    try:
        said = tomllib.loads(value.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{value} is not TOML: {error}") from error
    own = {param.name for param in ctx.command.params if param.name not in ("config", "help")}
    for name in said:
        if name not in own and name not in _OF_ALL_VERBS:
            known = ", ".join(sorted([*map(str, own), *_OF_ALL_VERBS]))
            raise click.BadParameter(f"{value} has {name!r}, which is no setting; there are {known}")
    ctx.default_map = {name: given for name, given in said.items() if name in own}
    ctx.obj = _with_file(ctx, {name: given for name, given in said.items() if name not in own})
    return value


def _with_file(ctx: click.Context, said: dict[str, Any]) -> Options:
    options: Options = ctx.obj
    assert ctx.parent is not None
    for param in ctx.parent.command.params:
        name = param.name or ""
        if name in said and ctx.parent.get_parameter_source(name) is ParameterSource.DEFAULT:
            options = replace(options, **{name: param.type_cast_value(ctx.parent, said[name])})
    return options


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
@click.option("--host", envvar="VECSTORE_HOST", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), envvar="VECSTORE_PORT", default=8000, show_default=True)
@click.option("--require-key", is_flag=True, envvar="VECSTORE_REQUIRE_KEY", help="Ask for an API key in any case.")
@click.option(
    "--batch-object",
    type=click.Choice(["vector_store.file_batch", "vector_store.files_batch"]),
    envvar="VECSTORE_BATCH_OBJECT",
    default="vector_store.file_batch",
    show_default=True,
    help="What a file batch calls itself: as OpenAI's service does, or as strict older clients want.",
)
@click.option(
    "--poll-after-ms", type=click.IntRange(10, 60_000), default=250, show_default=True, help="For clients that wait."
)
@click.option("--requests-per-minute", type=click.IntRange(1), default=10_000, show_default=True, help="Of one key.")
@click.option("--max-requests", type=click.IntRange(1), default=128, show_default=True, help="At work at a time.")
@click.option("--max-uploads", type=click.IntRange(1), default=16, show_default=True, help="Of these, uploads.")
@click.option("--max-connections", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--min-free-mb", type=click.IntRange(0), default=256, show_default=True, help="Of disk, to be ready.")
@click.option(
    "--metrics-token", envvar="VECSTORE_METRICS_TOKEN", show_envvar=True, help="Lets its bearer read /metrics."
)
@click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "text"]),
    default="auto",
    show_default=True,
    help="auto: json unless on a terminal.",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.pass_context
def serve(ctx: click.Context, /, host: str, port: int, **given: Any) -> None:
    """Answer OpenAI's clients over HTTP.

    \b
    Point them here:  OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="...")

    Files, uploads, vector stores, file batches, search and usage reports; /docs has all of it, /readyz tells when
    the model is loaded. Until the first 'vecstore keys create' no key is asked for, and only programs on this
    machine are answered. SIGTERM or Ctrl-C lets requests under way end and writes checkpoints.
    """
    from vecstore.engine import open as open_engine
    from vecstore.server import Settings
    from vecstore.server.serving import Address, log_as_json, serve

    options: Options = ctx.obj
    level = getattr(logging, given["log_level"].upper())
    if given["log_format"] == "json" or (given["log_format"] == "auto" and not sys.stderr.isatty()):
        log_as_json(level)
    else:
        logging.basicConfig(level=level, format="%(asctime)s %(levelname)-7s %(message)s", stream=sys.stderr)
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
    with (
        options.workers() as workers,
        open_engine(options.root, embedder=options.embed_with(), workers=workers) as engine,
    ):
        click.echo(f"Listening on http://{host}:{port}/v1; data in {options.root}.", err=True)
        serve(engine, Address(host, port, given["max_connections"]), settings)
