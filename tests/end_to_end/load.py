"""Calls that are made one after the other while something else happens, each failure kept with what was said."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import urllib3

_PAUSE_SECONDS = 0.1

Call = Callable[[], str]
"""Returns what is wrong with the answer; nothing, if nothing is."""


@dataclass(slots=True)
class Calls:
    succeeded: int = 0
    failures: list[str] = field(default_factory=list)

    def make(self, call: Call) -> None:
        try:
            fault = call()
        except (urllib3.exceptions.HTTPError, OSError, ValueError, KeyError) as err:
            fault = repr(err)
        if fault:
            self.failures.append(f"{time.strftime('%H:%M:%S')} {fault}")
        else:
            self.succeeded += 1


@contextmanager
def kept_calling(calls: Mapping[str, Call]):
    """What became of each."""
    made = {name: Calls() for name in calls}
    ended = threading.Event()

    def keep(name: str) -> None:
        while not ended.wait(_PAUSE_SECONDS):
            made[name].make(calls[name])

    threads = [threading.Thread(target=keep, args=(name,)) for name in calls]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        ended.set()
        for thread in threads:
            thread.join()
