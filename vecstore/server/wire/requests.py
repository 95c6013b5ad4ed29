"""What clients send: OpenAI's request bodies, and ours. An explicit null is as good as absence."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    model_validator,
)
from pydantic_core import PydanticCustomError

from vecstore.attributes import (
    MAX_DESCRIPTION_CHARS,
    MAX_FILENAME_CHARS,
    MAX_KEY_CHARS,
    MAX_NAME_CHARS,
    MAX_PAIRS,
    MAX_STRING_CHARS,
)
from vecstore.batch import MAX_FILES
from vecstore.jobs import MAX_FILE_BYTES
from vecstore.query import MAX_NEIGHBOURS, MAX_QUERIES, MAX_QUERY_BYTES, MAX_RESULTS, MAX_WEIGHT
from vecstore.scope import MAX_STORES

MAX_FILES_ON_CREATION = 500  # OpenAI: CreateVectorStoreRequest
MAX_PART_IDS = 10_000
MAX_ID_CHARS = 128
_ID = "[A-Za-z0-9_-]"


def id_of(prefix: str) -> Any:
    """The type of an id that begins so; others are refused as OpenAI does, not looked for."""

    def check(value: str) -> str:
        if not value.startswith(prefix):
            raise PydanticCustomError("invalid_id", "Expected an ID that begins with '{prefix}'.", {"prefix": prefix})
        if len(value) > MAX_ID_CHARS or not value.isascii() or not value.replace("-", "").replace("_", "").isalnum():
            raise PydanticCustomError(
                "invalid_id",
                "Expected an ID that contains letters, numbers, underscores, or dashes, "
                "but this value contained additional characters.",
            )
        return value

    schema: dict[str, Any] = {"pattern": f"^{prefix}{_ID}+$", "maxLength": MAX_ID_CHARS}
    return Annotated[str, AfterValidator(check), Field(json_schema_extra=schema)]


FileId: TypeAlias = id_of("file-")  # type: ignore[valid-type] # made by a function
VectorStoreId: TypeAlias = id_of("vs_")  # type: ignore[valid-type]
BatchId: TypeAlias = id_of("vsfb_")  # type: ignore[valid-type]
UploadId: TypeAlias = id_of("upload_")  # type: ignore[valid-type]
PartId: TypeAlias = id_of("part_")  # type: ignore[valid-type]


class Body(BaseModel):
    """Unknown keys are refused, and no value is taken for one of another type.

    Long lists fail fast: of thousands of wrong items the first is told.
    """

    model_config = ConfigDict(extra="forbid", strict=True)


def whole(least: int, most: int) -> Any:
    """The type of an integer between these; to JSON, 7.0 is one."""

    def integral(value: object) -> object:
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return Annotated[int, Field(ge=least, le=most), BeforeValidator(integral)]


Key = Annotated[str, Field(min_length=1, max_length=MAX_KEY_CHARS)]
ShortString = Annotated[str, Field(max_length=MAX_STRING_CHARS)]
Attributes = Annotated[dict[Key, ShortString | bool | int | FiniteFloat], Field(max_length=MAX_PAIRS)]
Metadata = Annotated[dict[Key, ShortString], Field(max_length=MAX_PAIRS)]
Name = Annotated[str, Field(max_length=MAX_NAME_CHARS)]
Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]


class FileExpiresAfter(Body):
    anchor: Literal["created_at"]
    seconds: whole(3600, 2_592_000)  # type: ignore[valid-type]


class VectorStoreExpiresAfter(Body):
    anchor: Literal["last_active_at"]
    days: whole(1, 365)  # type: ignore[valid-type]


class StaticSizes(Body):
    """The overlap is at most half of the size."""

    max_chunk_size_tokens: whole(100, 4096)  # type: ignore[valid-type]
    chunk_overlap_tokens: whole(0, 2048)  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _at_most_half(self) -> Self:
        size, overlap = self.max_chunk_size_tokens, self.chunk_overlap_tokens
        if 2 * overlap > size:
            limit = "Expected chunk_overlap_tokens of at most half of max_chunk_size_tokens, {most}, but got {overlap}."
            raise PydanticCustomError("overlap", limit, {"most": size // 2, "overlap": overlap})
        return self


class StructureSizes(Body):
    target_chunk_size_tokens: whole(100, 4096)  # type: ignore[valid-type]


class AutoStrategy(Body):
    type: Literal["auto"]


class StaticStrategy(Body):
    type: Literal["static"]
    static: StaticSizes


class StructureStrategy(Body):
    """Ours: cut where headings, paragraphs, rows and functions end."""

    type: Literal["structure"]
    structure: StructureSizes | None = None


Strategy = Annotated[AutoStrategy | StaticStrategy | StructureStrategy, Field(discriminator="type")]


class Comparison(Body):
    type: Literal["eq", "ne", "gt", "gte", "lt", "lte"]
    key: str
    value: str | bool | int | FiniteFloat


class Membership(Body):
    type: Literal["in", "nin"]
    key: str
    value: list[str | int | FiniteFloat] = Field(fail_fast=True)


class Compound(Body):
    type: Literal["and", "or"]
    filters: list[Filter] = Field(min_length=1, fail_fast=True)


Filter = Annotated[Comparison | Membership | Compound, Field(discriminator="type")]
Compound.model_rebuild()


class CreateUpload(Body):
    filename: str = Field(min_length=1, max_length=MAX_FILENAME_CHARS)
    purpose: Purpose
    bytes: whole(1, MAX_FILE_BYTES)  # type: ignore[valid-type]
    mime_type: str = Field(min_length=1, max_length=MAX_NAME_CHARS)
    expires_after: FileExpiresAfter | None = None


class CompleteUpload(Body):
    part_ids: list[PartId] = Field(min_length=1, max_length=MAX_PART_IDS, fail_fast=True)
    md5: str | None = Field(None, pattern="^[0-9A-Fa-f]{32}$")


class CreateVectorStore(Body):
    file_ids: list[FileId] | None = Field(None, max_length=MAX_FILES_ON_CREATION, fail_fast=True)
    name: Name | None = None
    description: str | None = Field(None, max_length=MAX_DESCRIPTION_CHARS)
    expires_after: VectorStoreExpiresAfter | None = None
    chunking_strategy: Strategy | None = None
    metadata: Metadata | None = None


class UpdateVectorStore(Body):
    """An `expires_after` of null clears the policy; any other null changes nothing."""

    name: Name | None = None
    expires_after: VectorStoreExpiresAfter | None = None
    metadata: Metadata | None = None


class AttachFile(Body):
    file_id: FileId
    attributes: Attributes | None = None
    chunking_strategy: Strategy | None = None


class UpdateFile(Body):
    """Null takes them all away."""

    attributes: Attributes | None


class CreateFileBatch(Body):
    """Exactly one of `file_ids` and `files`; attributes and strategy of the whole go with `file_ids` alone."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": [given], "properties": {given: {"type": "array"}, other: {"type": "null"}}}
                for given, other in (("file_ids", "files"), ("files", "file_ids"))
            ]
        }
    )

    file_ids: list[FileId] | None = Field(None, min_length=1, max_length=MAX_FILES, fail_fast=True)
    files: list[AttachFile] | None = Field(None, min_length=1, max_length=MAX_FILES, fail_fast=True)
    attributes: Attributes | None = None
    chunking_strategy: Strategy | None = None


Weight = Annotated[FiniteFloat, Field(ge=0, le=MAX_WEIGHT)]
QueryText = Annotated[str, Field(min_length=1, max_length=MAX_QUERY_BYTES)]


class HybridSearch(Body):
    """At least one of them above 0."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"properties": {leg: {"exclusiveMinimum": 0}}} for leg in ("embedding_weight", "text_weight")]
        }
    )

    embedding_weight: Weight
    text_weight: Weight


class RankingOptions(Body):
    ranker: Literal["none", "auto", "default-2024-11-15", "default-2024-08-21", "default_2024_08_21"] | None = None
    score_threshold: Annotated[FiniteFloat, Field(ge=0, le=1)] | None = None
    hybrid_search: HybridSearch | None = None


class Search(Body):
    """Ours are `explain`, what each ranker made of a result, `max_per_file`, `diversity` and `neighbours`."""

    query: QueryText | Annotated[list[QueryText], Field(min_length=1, max_length=MAX_QUERIES)]
    rewrite_query: bool | None = None
    max_num_results: whole(1, MAX_RESULTS) | None = None  # type: ignore[valid-type]
    filters: Filter | None = None
    ranking_options: RankingOptions | None = None
    max_per_file: whole(1, MAX_RESULTS) | None = None  # type: ignore[valid-type]
    diversity: Annotated[FiniteFloat, Field(ge=0, le=1)] | None = None
    neighbours: whole(0, MAX_NEIGHBOURS) | None = None  # type: ignore[valid-type]
    explain: bool | None = None

    def options(self) -> dict[str, Any]:
        """The keyword arguments of a search."""
        ranking = self.ranking_options or RankingOptions()
        given = {
            "max_num_results": self.max_num_results,
            "filters": self.filters and self.filters.model_dump(),
            "score_threshold": ranking.score_threshold,
            "hybrid_search": ranking.hybrid_search and ranking.hybrid_search.model_dump(),
            "ranker": ranking.ranker,
            "max_per_file": self.max_per_file,
            "diversity": self.diversity,
            "neighbours": self.neighbours,
            "explain": self.explain,
        }
        return {name: value for name, value in given.items() if value is not None}


class SearchMany(Search):
    vector_store_ids: list[VectorStoreId] = Field(min_length=1, max_length=MAX_STORES)


def plain(value: Body | None) -> dict[str, Any] | None:
    """A part of a body as the library takes it."""
    return None if value is None else value.model_dump(exclude_none=True)
