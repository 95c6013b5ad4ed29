"""API keys: made, shown once, checked, revoked."""

from __future__ import annotations

import builtins
import hashlib
import hmac
import logging
import secrets
import string
import threading
from collections.abc import Callable, Collection

from vecstore import ids
from vecstore.attributes import checked_name
from vecstore.catalog import Catalog
from vecstore.catalog.statements import check_id
from vecstore.errors import InvalidRequestError, StorageError, VecstoreError
from vecstore.types import DEFAULT_PROJECT, ApiKey

SCOPES = ("read", "write", "admin")  # each has those before it
MAX_DAYS = 3650
DAY_S = 86_400
USED_EVERY_S = 60  # at most so often is the use of a key written
FLUSH_AFTER_S = 1.0  # all that a killed process forgets
_PREFIX = "sk-vs-"
_SECRET_CHARS = 43  # of base62: 256 bits, which no one can try; so the hash need not be a slow one
_HINT_CHARS = 4
_BASE62 = string.digits + string.ascii_letters

log = logging.getLogger(__name__)


class Keys:
    """The API keys of a data folder. Thread-safe; nothing is cached, so what another process changes holds at once."""

    def __init__(self, catalog: Catalog, now: Callable[[], int]) -> None:
        self._catalog = catalog
        self._now = now
        self._guard = threading.Lock()
        self._used: dict[str, int] = {}  # as was last noted
        self._unwritten: dict[str, int] = {}
        self._timer: threading.Timer | None = None

    def create(
        self,
        name: str,
        *,
        project: str | None = None,
        scopes: Collection[str] = ("write",),
        expires_after_s: int | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key of a project, by name or id, and its secret, which is shown here and never again.

        scopes: "read", "write", which may read, too, and "admin", which may all and sees the usage of all projects.
        Raises InvalidRequestError, NotFoundError for the project.
        """
        secret = _PREFIX + "".join(secrets.choice(_BASE62) for _ in range(_SECRET_CHARS))
        now = self._now()
        key = ApiKey(
            id=ids.new_key_id(),
            name=checked_name(name, least_chars=1),
            project_id=self._project(project),
            scopes=_checked_scopes(scopes),
            hint=secret[-_HINT_CHARS:],
            created_at=now,
            expires_at=None if expires_after_s is None else now + _checked_s(expires_after_s),
        )
        self._catalog.keys.add(key, _hash(secret))
        return key, secret

    def list(self) -> builtins.list[ApiKey]:
        """In the order they were made, also those that hold no more."""
        return self._catalog.keys.list()

    def any(self) -> bool:
        """Whether there ever was one: from then on the server asks for it."""
        return self._catalog.keys.any()

    def revoke(self, name_or_id: str) -> ApiKey:
        """For good, and at once. Raises NotFoundError, and InvalidRequestError for a name that several keys have."""
        check_id("key", name_or_id)
        named = [key.id for key in self.list() if key.name == name_or_id and key.revoked_at is None]
        if len(named) > 1:
            raise InvalidRequestError("key", f"{name_or_id!r:.80} is the name of {len(named)} keys: {', '.join(named)}")
        return self._catalog.keys.revoke(named[0] if named else name_or_id, now=self._now())

    def authenticate(self, secret: str | bytes) -> ApiKey | None:
        """The key of that secret, if it is neither revoked nor expired; whatever else it is given, it is None.

        That it was used is noted in memory, and written a second later.
        """
        hashed = _hash(secret)
        found = self._catalog.keys.find(hashed)
        if found is None or not hmac.compare_digest(found[1].encode(), hashed.encode()):
            return None
        key, now = found[0], self._now()
        if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
            return None
        self._note(key, now)
        return key

    def flush(self) -> None:
        """Writes what was noted. Raises StorageError, and then it is forgotten; a use a minute later is noted again."""
        with self._guard:
            unwritten, self._unwritten = self._unwritten, {}
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        if unwritten:
            self._catalog.keys.used(unwritten)

    def _note(self, key: ApiKey, now: int) -> None:
        with self._guard:
            last = self._used.get(key.id, key.last_used_at)
            if last is not None and 0 <= now - last < USED_EVERY_S:
                return
            self._used[key.id] = self._unwritten[key.id] = now
            if self._timer is None:
                self._timer = threading.Timer(FLUSH_AFTER_S, self._flush_later)
                self._timer.daemon = True
                self._timer.start()

    def _flush_later(self) -> None:
        try:
            self.flush()
        except StorageError as error:
            log.warning("the use of API keys could not be noted: %s", error)
        except VecstoreError:
            pass  # closed meanwhile

    def _project(self, name_or_id: str | None) -> str:
        wanted = DEFAULT_PROJECT if name_or_id is None else name_or_id
        check_id("project", wanted)
        return self._catalog.projects.get(wanted).id


def _checked_scopes(scopes: Collection[str]) -> tuple[str, ...]:
    """All that these come to."""
    several = isinstance(scopes, Collection) and not isinstance(scopes, str)
    if not several or not scopes or any(scope not in SCOPES for scope in scopes):
        raise InvalidRequestError("scopes", f"must be some of {', '.join(SCOPES)}, not {scopes!r:.80}")
    return SCOPES[: max(SCOPES.index(scope) for scope in scopes) + 1]


def _checked_s(seconds: int) -> int:
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= MAX_DAYS * DAY_S:
        raise InvalidRequestError("expires_after_s", f"must be 1 to {MAX_DAYS * DAY_S} seconds, not {seconds!r:.40}")
    return seconds


def _hash(secret: str | bytes) -> str:
    given = secret if isinstance(secret, bytes) else secret.encode(errors="replace")
    return hashlib.sha256(given).hexdigest()
