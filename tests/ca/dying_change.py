"""Changes a passphrase again and again, killed at one instant after the other: `dying_change.py DIRECTORY`.

- An instant is one at which Python is about to change a file: to open for writing, rename, make or remove one. SQLite's own
  writes lie between.
- Deriving keys is made cheap: it takes nearly all of the time, and touches no file.
- Writes one line for each run, what is left of it in DIRECTORY/N: killed, or finished at the last.
"""

import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import structlog

import ca.keys
from ca.ambient import NO_SECRETS
from ca.passphrase_change import PassphraseChanger
from ca.settings import ServeSettings
from certs.keys import ScryptCost, encrypt_private_key
from tests.ca.offices import CountedEntropy, FixedClock, Premises

CHEAP_COST = 2
CHANGING = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "sqlite3.connect"}


def killing_at(instant: int) -> Callable[[str, tuple[object, ...]], None]:
    left = [instant]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in CHANGING or (event == "open" and cast("int", arguments[2]) & (os.O_WRONLY | os.O_RDWR)):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


def change(directory: Path, instant: int) -> None:
    settings = ServeSettings.from_mapping({"data_directory": directory})
    sys.addaudithook(killing_at(instant))
    changer = PassphraseChanger(
        settings=settings, secrets=NO_SECRETS, clock=FixedClock(), entropy=CountedEntropy(start=5_000_000)
    )
    changer.change(b"the new one")


def main(directory: Path) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    ca.keys._SCRYPT_COST = CHEAP_COST
    encrypt_private_key.__kwdefaults__["cost"] = ScryptCost(n=2, r=1, p=1)
    founded = Premises(directory=directory / "founded")
    with founded.open():
        pass
    for instant in range(1000):
        place = directory / str(instant)
        shutil.copytree(founded.directory, place)
        child = os.fork()
        if not child:
            change(place, instant)
            os._exit(0)
        finished = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        print(f"{instant} {'finished' if finished else 'killed'}", flush=True)
        if finished:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
