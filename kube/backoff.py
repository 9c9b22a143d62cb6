"""How long to wait before something is tried again: twice as long each time, with jitter."""

from kube.ambient import Entropy


def spread(shortest: float, longest: float, entropy: Entropy) -> float:
    """Anything from `shortest` to `longest`."""
    return shortest + (longest - shortest) * int.from_bytes(entropy(2)) / 0xFFFF


class Backoff:
    """In seconds. Used by one thread."""

    def __init__(self, shortest: float, longest: float, *, entropy: Entropy) -> None:
        self._shortest = shortest
        self._longest = longest
        self._entropy = entropy
        self._present = shortest

    def next(self) -> float:
        """The next wait, with up to a half of it more; never above the longest."""
        seconds = self._present
        self._present = min(self._present * 2, self._longest)
        return min(spread(seconds, seconds * 1.5, self._entropy), self._longest)

    def reset(self) -> None:
        self._present = self._shortest
