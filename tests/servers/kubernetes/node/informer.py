"""What a cluster holds of one kind, kept up to date by a watch in a thread of its own."""

import contextlib
import json
import threading
from collections.abc import Callable
from typing import Any

import urllib3

from tests.apiserver.client import ApiClient, Watch

Key = tuple[str, str]
_PAUSE_SECONDS = 0.2
_WATCH_SECONDS = 300


class Informer:
    """`changed` is called in its thread, after each change."""

    def __init__(self, client: ApiClient, path: str, changed: Callable[[], None], **query: str) -> None:
        self._client = client
        self._path = path
        self._query = query
        self._changed = changed
        self._objects: dict[Key, Any] = {}
        self._ended = threading.Event()
        self._watch: Watch | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"informer of {path}")

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """The watch is closed by itself when the API server is, or at its next event."""
        self._ended.set()

    def objects(self) -> dict[Key, Any]:
        return dict(self._objects)

    def _run(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(urllib3.exceptions.HTTPError, OSError, json.JSONDecodeError, KeyError):
                self._follow()
            self._ended.wait(_PAUSE_SECONDS)

    def _follow(self) -> None:
        answer = self._client.get(self._path, **self._query)
        if answer.status != 200:
            return
        self._objects = {_key(each): each for each in answer.document["items"]}
        self._changed()
        version = answer.document["metadata"]["resourceVersion"]
        options = {**self._query, "resourceVersion": version, "timeoutSeconds": str(_WATCH_SECONDS)}
        with self._client.watch(self._path, **options) as watch:
            for event in iter(watch.next, None):
                if self._ended.is_set() or event["type"] == "ERROR":
                    return
                changed = dict(self._objects)
                if event["type"] == "DELETED":
                    changed.pop(_key(event["object"]), None)
                else:
                    changed[_key(event["object"])] = event["object"]
                self._objects = changed
                self._changed()


def _key(document: Any) -> Key:
    return document["metadata"].get("namespace", ""), document["metadata"]["name"]
