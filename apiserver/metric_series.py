"""Series of numbers that one thread changes and any may read: what a Prometheus registry collects from us.

- No locks: all changes are made on the event loop. prometheus-client's own counters take a lock each time, and a histogram of
  theirs looks through its buckets one by one; a request changes five series, and a thousand requests come in a second.
- A family has a bound on its series. Labels come from what exists, so it is never met; if it were, what is beyond it would be
  counted together and not shown, rather than fill memory.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

_MOST_SERIES = 10_000


class Number:
    """One counter or gauge."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1) -> None:
        self.value += amount

    def dec(self, amount: float = 1) -> None:
        self.value -= amount

    def set(self, value: float) -> None:
        self.value = value


class Distribution:
    """One histogram; `bounds` are the upper ends of its buckets, in rising order."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times


S = TypeVar("S")


class _Family(Collector, Generic[S]):
    """Series of one name, by the values of their labels."""

    def __init__(self, name: str, meaning: str, kind: str, labels: Sequence[str], make: Callable[[], S]) -> None:
        self.name = name
        self._meaning = meaning
        self._kind = kind
        self._labels = tuple(labels)
        self._make = make
        self._series: dict[tuple[str, ...], S] = {}
        self._beyond = make()

    @property
    def label_names(self) -> tuple[str, ...]:
        return self._labels

    def labels(self, *values: str) -> S:
        """The series of these values, in the order of the labels' names."""
        found = self._series.get(values)
        if found is not None:
            return found
        if len(values) != len(self._labels):
            raise ValueError(f"{self.name} has the labels {', '.join(self._labels)}")
        if len(self._series) >= _MOST_SERIES:
            return self._beyond
        made = self._series[values] = self._make()
        return made

    def collect(self) -> Iterator[Metric]:
        metric = Metric(self.name, self._meaning, self._kind)
        for values, series in list(self._series.items()):
            self._show(metric, dict(zip(self._labels, values, strict=True)), series)
        yield metric

    def _show(self, metric: Metric, labels: dict[str, str], series: S) -> None:
        raise NotImplementedError


class Numbers(_Family[Number]):
    """Counters or gauges."""

    @classmethod
    def counters(cls, registry: CollectorRegistry, name: str, meaning: str, labels: Sequence[str] = ()) -> "Numbers":
        """`name` without `_total`, which is added."""
        family = cls(name, meaning, "counter", labels, Number)
        family._sample_name = f"{name}_total"
        registry.register(family)
        return family

    @classmethod
    def bare_counters(
        cls, registry: CollectorRegistry, name: str, meaning: str, labels: Sequence[str] = ()
    ) -> "Numbers":
        """Counters whose upstream name has no `_total`: shown as untyped, as the client would add it to a counter's name."""
        family = cls(name, meaning, "unknown", labels, Number)
        registry.register(family)
        return family

    @classmethod
    def gauges(cls, registry: CollectorRegistry, name: str, meaning: str, labels: Sequence[str] = ()) -> "Numbers":
        family = cls(name, meaning, "gauge", labels, Number)
        registry.register(family)
        return family

    def __init__(self, name: str, meaning: str, kind: str, labels: Sequence[str], make: Callable[[], Number]) -> None:
        super().__init__(name, meaning, kind, labels, make)
        self._sample_name = name

    def _show(self, metric: Metric, labels: dict[str, str], series: Number) -> None:
        metric.add_sample(self._sample_name, labels, series.value)


class Distributions(_Family[Distribution]):
    """Histograms with the same buckets."""

    @classmethod
    def histograms(
        cls, registry: CollectorRegistry, name: str, meaning: str, bounds: Sequence[float], labels: Sequence[str] = ()
    ) -> "Distributions":
        ends = tuple(float(bound) for bound in bounds)
        family = cls(name, meaning, "histogram", labels, lambda: Distribution(ends))
        registry.register(family)
        return family

    def _show(self, metric: Metric, labels: dict[str, str], series: Distribution) -> None:
        count = 0
        ends = [*map(floatToGoString, series.bounds), "+Inf"]
        for end, number in zip(ends, list(series.counts), strict=True):
            count += number
            metric.add_sample(f"{self.name}_bucket", {**labels, "le": end}, count)
        metric.add_sample(f"{self.name}_sum", labels, series.total)
        metric.add_sample(f"{self.name}_count", labels, count)
