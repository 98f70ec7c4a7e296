"""What the operator watches: requests by route and status and how long they took, as Prometheus text.

The text format is version 0.0.4. Figures are of one process; Prometheus adds them up over processes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the duration histogram, seconds (Prometheus's customary ones)."""


class Counters:
    """Requests of this process."""

    def __init__(self) -> None:
        self._requests: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        self._buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(BUCKETS_S) + 1))
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts one answer."""
        self._requests[route, _method(method), status] += 1
        self._buckets[route][bisect_left(BUCKETS_S, seconds)] += 1
        self._seconds[route] += seconds

    def lines(self) -> Iterable[str]:
        """The figures as lines of Prometheus text."""
        yield "# HELP onemap_requests_total Answers by route, method and status."
        yield "# TYPE onemap_requests_total counter"
        for (route, method, status), number in sorted(self._requests.items()):
            yield f"onemap_requests_total{_labels(route=route, method=method, status=str(status))} {number}"
        yield "# HELP onemap_request_seconds Time from a request's arrival to the end of its answer."
        yield "# TYPE onemap_request_seconds histogram"
        for route, buckets in sorted(self._buckets.items()):
            total = 0
            for bound, number in zip((*map(str, BUCKETS_S), "+Inf"), buckets, strict=True):
                total += number
                yield f"onemap_request_seconds_bucket{_labels(route=route, le=bound)} {total}"
            yield f"onemap_request_seconds_sum{_labels(route=route)} {self._seconds[route]:.6f}"
            yield f"onemap_request_seconds_count{_labels(route=route)} {total}"


def gauge(name: str, help_text: str, value: float) -> Iterable[str]:
    """A figure that goes up and down."""
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} gauge"
    yield f"{name} {value:.15g}"


def _method(method: str) -> str:
    """One of the known methods, so that a caller cannot make labels without end."""
    return method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"


def _labels(**labels: str) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + inner + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
