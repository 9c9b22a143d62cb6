"""A container that does nothing until it is told to end."""

import signal

signal.signal(signal.SIGTERM, lambda *_: exit(0))
signal.pause()
