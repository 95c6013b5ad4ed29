"""Models: what embeds and what ranks."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from vecstore.server.errors import ApiError
from vecstore.server.route import Route
from vecstore.server.state import Server
from vecstore.server.wire.objects import Model, Models

router = APIRouter(route_class=Route, tags=["Models"])


@router.get("/models", response_model_exclude_unset=True)
def list_models(request: Request) -> Models:
    return Models(object="list", data=_models(request))


@router.get("/models/{model:path}", response_model_exclude_unset=True)
def retrieve_model(request: Request, model: str) -> Model:
    for each in _models(request):
        if each.id == model:
            return each
    raise ApiError(404, f"The model '{model:.200}' does not exist.", code="model_not_found", param="model")


def _models(request: Request) -> list[Model]:
    server: Server = request.app.state.server
    name, dimensions = server.engine.embedder
    common: dict[str, Any] = {"object": "model", "created": server.started_at, "owned_by": "vecstore"}
    return [
        Model(id=name, task="embedding", dimensions=dimensions, **common),
        Model(id=server.engine.ranker, task="ranking", **common),
    ]
