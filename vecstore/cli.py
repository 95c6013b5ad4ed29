"""The command line: one verb, one function. The only module that reads the environment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecstore import __version__, messages
from vecstore.errors import FormatError, InvalidRequestError, VecstoreError

if TYPE_CHECKING:
    from vecstore.embed import Embedder
    from vecstore.engine import Engine

INTERRUPTED = 130  # what a shell expects of a program stopped by Ctrl-C
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@dataclass(frozen=True, slots=True)
class _Options:
    root: Path
    embedder: str | None
    embedder_url: str | None
    embedder_key: str | None
    device: str
    cache: Path | None

    @contextmanager
    def engine(self, *, create: bool = False) -> Iterator[Engine]:
        if not create and not self.root.exists():
            raise FormatError(f"there is no data folder at {self.root}; 'vecstore create NAME' makes one")
        from vecstore.engine import open as open_engine

        with open_engine(self.root, embedder=self._embedder(), create=create) as engine:
            yield engine

    def _embedder(self) -> Embedder:
        from vecstore.embed import OpenAIEmbedder, SentenceTransformerEmbedder, default_embedder

        if self.embedder_url is not None:
            if self.embedder is None:
                raise click.UsageError("--embedder-url needs --embedder with the name of the model served there")
            return OpenAIEmbedder(self.embedder_url, model=self.embedder, api_key=self.embedder_key)
        if self.embedder is not None:
            return SentenceTransformerEmbedder(self.embedder, device=self.device, cache_folder=self.cache)
        return default_embedder(device=self.device, cache_folder=self.cache)


class _Verbs(click.Group):
    """Lists the verbs in the order of their use, and turns our errors into a sentence and an exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo(
                "\nInterrupted. What was reported as added is safe; the same command goes on from there.", err=True
            )
            raise click.exceptions.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            raise  # the reader had enough; Click ends quietly
        except (VecstoreError, OSError) as error:
            click.echo(click.style("Error: ", fg="red") + str(error), err=True)
            raise click.exceptions.Exit(2 if isinstance(error, InvalidRequestError) else 1) from error


@click.group(cls=_Verbs, context_settings=_CONTEXT)
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
    help="A sentence-transformers model by folder or name, instead of the one that comes along.",
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
@click.version_option(__version__, prog_name="vecstore")
@click.pass_context
def main(
    ctx: click.Context,
    root: Path,
    embedder: str | None,
    embedder_url: str | None,
    embedder_key: str | None,
    device: str,
    cache: Path | None,
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
    ctx.obj = _Options(root, embedder, embedder_url, embedder_key, device, cache)


_json = click.option("--json", "as_json", is_flag=True, help="JSON lines for programs instead of a table.")
_store = click.argument("store")


@main.command()
@click.argument("name")
@click.option("--exist-ok", is_flag=True, help="It is no error if a vector store of that name exists.")
@click.pass_obj
def create(options: _Options, name: str, *, exist_ok: bool) -> None:
    """Make a vector store, print its id."""
    if not name.strip() or name.startswith(("vs_", "file-")):
        raise click.UsageError(f"a name must not be empty or look like an id, and {name!r} does")
    with options.engine(create=True) as engine:
        named = [store for store in engine.list() if store.name == name]
        if named and not exist_ok:
            raise click.ClickException(f"a vector store named {name!r} exists already: {named[0].id}")
        click.echo(named[0].id if named else engine.create(name).id)


@main.command()
@_store
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--attr", "attributes", multiple=True, metavar="KEY=VALUE", help="To filter by; repeatable. Replaces those it had."
)
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out files like '*.png'; repeatable.")
@click.option("--chunk-size", type=int, metavar="TOKENS", help="At most, 100 to 4096.  [default: as before, or 800]")
@click.option(
    "--chunk-overlap", type=int, metavar="TOKENS", help="Shared by neighbours.  [default: half of it, up to 400]"
)
@_json
@click.pass_obj
def add(
    options: _Options,
    store: str,
    paths: tuple[str, ...],
    attributes: tuple[str, ...],
    exclude: tuple[str, ...],
    chunk_size: int | None,
    chunk_overlap: int | None,
    *,
    as_json: bool,
) -> None:
    """Add files, folders, globs to STORE.

    Hidden files in folders are left out. A file that cannot be read is reported and the others go on;
    then the exit status is 1. Values that look like numbers, true or false are stored as such.
    """
    from vecstore import gather, render

    found = gather.sources(paths, besides=options.root, exclude=exclude)
    strategy = gather.chunking_strategy(chunk_size, chunk_overlap)
    pairs = gather.attributes(attributes) if attributes else None
    with options.engine() as engine:
        target = engine.get(store)
        with render.adding(found, as_json=as_json) as view:
            for outcome in target.add_many(
                found.sources, attributes=pairs, chunking_strategy=strategy, on_bytes=view.advance
            ):
                view.report(outcome)
    raise click.exceptions.Exit(view.exit_status)


@main.command()
@_store
@click.argument("query")
@click.option("-n", "--max-num-results", type=int, default=10, show_default=True, help="1 to 50.")
@click.option("--filter", "filters", metavar="JSON", help="""e.g. '{"type":"eq","key":"year","value":2026}'""")
@click.option("--score-threshold", type=float, default=0.0, show_default=True, help="0 to 1.")
@click.option("--weights", nargs=2, type=float, metavar="MEANING WORDS", help="Of the two legs.  [default: 1 1]")
@click.option("--ranker", default="auto", show_default=True, help="'none' leaves a reranker out.")
@click.option("--explain", is_flag=True, help="Add what each leg made of a result.")
@click.option("--full", is_flag=True, help="Whole chunks instead of the best passage in each.")
@_json
@click.pass_obj
def search(
    options: _Options,
    store: str,
    query: str,
    max_num_results: int,
    filters: str | None,
    score_threshold: float,
    weights: tuple[float, float] | None,
    ranker: str,
    *,
    explain: bool,
    full: bool,
    as_json: bool,
) -> None:
    """Search STORE for QUERY, best first."""
    from vecstore import gather, render
    from vecstore.types import HybridSearch

    with options.engine() as engine:
        results = engine.get(store).search(
            query,
            max_num_results=max_num_results,
            filters=None if filters is None else gather.filters(filters),
            score_threshold=score_threshold,
            hybrid_search=HybridSearch(*weights) if weights else None,
            ranker=ranker,
            explain=explain,
        )
    if as_json:
        render.json_lines(results)
    else:
        render.results(results, explain=explain, full=full, narrowed=filters is not None or score_threshold > 0)


@main.command(name="list")
@_json
@click.pass_obj
def list_(options: _Options, *, as_json: bool) -> None:
    """List the vector stores."""
    from vecstore import render

    with options.engine() as engine:
        stores = engine.list()
    render.json_lines(stores) if as_json else render.vector_stores(stores)


@main.command()
@_store
@_json
@click.pass_obj
def show(options: _Options, store: str, *, as_json: bool) -> None:
    """Show one vector store."""
    from vecstore import render

    with options.engine() as engine:
        info = engine.get(store).info()
    render.json_lines([info]) if as_json else render.vector_store(info)


@main.command()
@click.argument("store", required=False)
@_json
@click.pass_obj
def files(options: _Options, store: str | None, *, as_json: bool) -> None:
    """List the files of STORE.

    With their status and warnings; without STORE all that were uploaded.
    """
    from vecstore import render

    with options.engine() as engine:
        if store is None:
            uploaded = engine.files()
            render.json_lines(uploaded) if as_json else render.uploaded_files(uploaded)
        else:
            members = engine.get(store).list()
            render.json_lines(members) if as_json else render.members(members)


@main.command()
@_store
@click.argument("file")
@_json
@click.pass_obj
def chunks(options: _Options, store: str, file: str, *, as_json: bool) -> None:
    """Show how FILE was cut.

    Every chunk with its pages, headings, size and offsets, and the text that was parsed.
    """
    from vecstore import render

    with options.engine() as engine:
        target = engine.get(store)
        member = target.find(file)
        content = target.content(member.id)
    render.json_lines(content) if as_json else render.chunks(member, content)


@main.command()
@_store
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.pass_obj
def detach(options: _Options, store: str, files: tuple[str, ...]) -> None:
    """Take FILEs out of STORE.

    What was uploaded stays, and 'vecstore files' lists it, until 'vecstore rm FILE-ID'.
    """
    with options.engine() as engine:
        target = engine.get(store)
        for member in [target.find(name) for name in files]:
            target.detach(member.id)
            click.echo(f"detached {member.filename} ({member.id})")


@main.command()
@click.argument("names", nargs=-1, required=True, metavar="STORE|FILE-ID...")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--with-files", is_flag=True, help="Delete also the files that only this vector store has.")
@click.pass_obj
def rm(options: _Options, names: tuple[str, ...], *, yes: bool, with_files: bool) -> None:
    """Delete vector stores, or files by id.

    A file is taken out of every vector store. The files of a vector store stay uploaded, unless --with-files is given
    and no other vector store has them.
    """
    with options.engine() as engine:
        targets = [_removable(engine, name, with_files=with_files) for name in names]
        for what, delete in targets:
            if not yes and not sys.stdin.isatty():
                raise click.UsageError(f"--yes is needed to delete {what} without a terminal to ask at")
            if yes or click.confirm(f"Delete {what}?"):
                delete()
                click.echo(f"deleted {what}")


@main.command()
@click.argument("store", required=False)
@click.option("--fix", is_flag=True, help="Rebuild indexes and remove strays; nothing is parsed or embedded again.")
@_json
@click.pass_obj
def check(options: _Options, store: str | None, *, fix: bool, as_json: bool) -> None:
    """Verify indexes and uploads.

    Compares catalogue, indexes and uploaded contents both ways. Exit status 1 if something is left wrong.
    """
    from vecstore import render

    with options.engine() as engine:
        problems = engine.check(fix=fix) if store is None else engine.get(store).check(fix=fix)
    render.json_lines(problems) if as_json else render.problems(problems)
    raise click.exceptions.Exit(int(any(not problem.fixed for problem in problems)))


@main.command()
@_json
@click.pass_obj
def usage(options: _Options, *, as_json: bool) -> None:
    """Show the bytes held.

    Logical ones: of each chunk its UTF-8 text and 4 bytes a dimension.
    """
    from vecstore import render

    with options.engine() as engine:
        held, stores = engine.usage(), engine.list()
    render.json_lines([held]) if as_json else render.usage(held, stores)


def _removable(engine: Engine, name: str, *, with_files: bool) -> tuple[str, Callable[[], None]]:
    if name.startswith("file-"):
        file = engine.file(name)
        return f"the file {file.filename!r} ({file.id}) from everywhere", lambda: engine.delete_file(file.id)
    store = engine.get(name)
    info, stays = store.info(), "with" if with_files else "but not"
    what = f"the vector store {info.name!r} ({info.id}), {stays} its {info.file_counts.total} files"
    return what, lambda: store.delete(with_files=with_files)


if __name__ == "__main__":
    main()
