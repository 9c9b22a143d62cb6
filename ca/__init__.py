"""Who may have what: the authority, its policy, its edges."""


def __getattr__(name: str) -> str:
    """`__version__`, read when it is asked for: what reads it takes time and memory that most programs need not spend."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import version  # noqa: PLC0415  it reads all of what is installed

    return version("chancery")
