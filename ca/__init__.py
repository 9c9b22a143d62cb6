"""Who may have what: the authority, its policy, its edges."""

from importlib.metadata import version

__version__ = version("chancery")
