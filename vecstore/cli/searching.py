"""The verb `search`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vecstore.cli.options import Options, in_store, json_lines, main

if TYPE_CHECKING:
    from vecstore.vector_store import VectorStore


@main.command()
@in_store
@click.argument("query")
@click.option("-n", "--max-num-results", type=int, default=10, show_default=True, help="1 to 50.")
@click.option("--filter", "filters", metavar="JSON", help="""e.g. '{"type":"eq","key":"year","value":2026}'""")
@click.option("--score-threshold", type=float, default=0.0, show_default=True, help="0 to 1.")
@click.option(
    "--weights", nargs=2, type=float, metavar="MEANING WORDS", help="Of the two legs.  [default: as tuned, or 1 1]"
)
@click.option("--ranker", default="auto", show_default=True, help="'none' leaves re-ranking out.")
@click.option(
    "--rewrite", is_flag=True, help="Search for what is asked, without the words around it, and say for what."
)
@click.option("--max-per-file", type=int, metavar="N", help="Results of one file at most.")
@click.option("--diversity", type=float, default=0.0, show_default=True, help="0 to 1: how much results should differ.")
@click.option("--explain", is_flag=True, help="Add what each leg made of a result.")
@click.option("--full", is_flag=True, help="Whole chunks instead of the best passage in each.")
@click.option(
    "--context", metavar="section|N", help="Show the whole section, or the chunk with N before and N after it."
)
@json_lines
@click.pass_obj
def search(
    options: Options,
    store: str,
    query: str,
    max_num_results: int,
    filters: str | None,
    score_threshold: float,
    weights: tuple[float, float] | None,
    ranker: str,
    max_per_file: int | None,
    diversity: float,
    context: str | None,
    *,
    rewrite: bool,
    explain: bool,
    full: bool,
    as_json: bool,
) -> None:
    """Search STORE for QUERY, best first."""
    from vecstore import gather, render
    from vecstore.types import HybridSearch

    around = None if context is None else gather.context(context)
    with options.engine() as engine:
        target = engine.get(store)
        queries = target.rewritten(query) if rewrite else [query]
        results = target.search(
            queries,
            max_num_results=max_num_results,
            filters=None if filters is None else gather.filters(filters),
            score_threshold=score_threshold,
            hybrid_search=HybridSearch(*weights) if weights else None,
            ranker=ranker,
            max_per_file=max_per_file,
            diversity=diversity,
            explain=explain,
        )
        excerpts = [None if around is None else around(target, result) for result in results]
        why_none = "" if results else _why_none(target, narrowed=filters is not None or score_threshold > 0)
    if rewrite:
        render.queries(queries)
    if as_json:
        render.results_json(results, excerpts)
    else:
        render.results(results, excerpts, explain=explain, full=full, why_none=why_none)


def _why_none(store: VectorStore, *, narrowed: bool) -> str:
    if not store.info().file_counts.completed:
        return "The vector store is empty."
    if narrowed:
        return "Perhaps the filter or the threshold leaves nothing."
    return (
        "None of the question's words is there, and meaning was left out: by the weights, "
        "or since the model does not read these letters."
    )
