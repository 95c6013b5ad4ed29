"""The OpenAI-compatible server."""

from vecstore.server.app import create_app
from vecstore.server.settings import Settings

__all__ = ["Settings", "create_app"]
