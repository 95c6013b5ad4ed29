"""What the parts of a running server share."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from vecstore.engine import Engine
from vecstore.server.auth import Doorkeeper
from vecstore.server.background import Model
from vecstore.server.limits import Gate, Pace
from vecstore.server.metrics import Metrics
from vecstore.server.settings import Settings


@dataclass(frozen=True, slots=True)
class Server:
    """`draining` is set once it was told to stop; until `model` is loaded the server is alive, and not ready."""

    engine: Engine
    settings: Settings
    doors: Doorkeeper
    pace: Pace
    requests: Gate
    uploads: Gate
    metrics: Metrics
    model: Model
    started_at: int
    draining: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, engine: Engine, settings: Settings) -> Server:
        requests, uploads = Gate(settings.max_requests, "requests"), Gate(settings.max_uploads, "uploads")
        return cls(
            engine=engine,
            settings=settings,
            doors=Doorkeeper(engine, settings),
            pace=Pace(settings.requests_per_minute),
            requests=requests,
            uploads=uploads,
            metrics=Metrics(engine, requests, uploads),
            model=Model(engine),
            started_at=engine.now(),
        )
