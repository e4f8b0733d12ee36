"""What a run measured of one language: samples by work and client, their medians, and how ours compares."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from languages import OURS, Language
from work import Work


@dataclass(frozen=True)
class Ratio:
    """Ours over another, round by round: the median and the quartiles."""

    low: float
    middle: float
    high: float
    other: str


class Results:
    """The samples of a language."""

    def __init__(self, language: Language, raw: dict[str, Any]) -> None:
        self.language = language
        self.raw = raw
        self.machine: dict[str, Any] = raw["machine"]
        # In the language's own order, which colours and columns follow.
        self.clients = [client for client in language.clients if client in raw["clients"]]
        fields = [field.name for field in dataclasses.fields(Work)]
        self._samples = {
            (Work(**{name: each[name] for name in fields}), each["client"]): each for each in raw["results"]
        }

    def works(self) -> set[Work]:
        """All work of the run."""
        return {work for work, _ in self._samples}

    def series(self, operation: str, grows: str, **fixed: Any) -> list[Work]:
        """Work that differs in one field only, in its order."""
        plain = Work(operation, **fixed)
        found = [work for work in self.works() if dataclasses.replace(work, **{grows: getattr(plain, grows)}) == plain]
        return sorted(found, key=lambda work: int(getattr(work, grows)))

    def by_servers(self) -> list[Work]:
        """Batches over one and more servers, 100 keys for each; empty where that was not measured."""
        found = [work for work in self.works() if work == Work("get_multi", 100 * work.servers, servers=work.servers)]
        return sorted(found, key=lambda work: work.servers) if len(found) > 2 else []

    def values(self, work: Work, client: str, measure: str) -> list[float]:
        """What each round measured; empty when the client failed or was not asked."""
        values: list[float] = self._samples.get((work, client), {}).get(measure, [])
        return values

    def faults(self) -> list[str]:
        """Which client failed at what, in its own words."""
        failed = [(client, work, each["error"]) for (work, client), each in self._samples.items() if "error" in each]
        return sorted(f"{client}, {work.name}: {error}" for client, work, error in failed)

    def median(self, work: Work, client: str, measure: str) -> float | None:
        """The median over the rounds."""
        values = self.values(work, client, measure)
        return statistics.median(values) if values else None

    def spread(self, work: Work, client: str, measure: str) -> tuple[float, float]:
        """The quartiles over the rounds."""
        return quartiles(self.values(work, client, measure))

    def against(self, work: Work, measure: str, other: str) -> Ratio | None:
        """Ours over another client's, each round by itself: what the machine did then fell on both."""
        pairs = zip(self.values(work, OURS, measure), self.values(work, other, measure))
        ratios = [ours / theirs for ours, theirs in pairs if theirs]
        if not ratios:
            return None
        low, high = quartiles(ratios)
        return Ratio(low, statistics.median(ratios), high, other)

    def against_best(self, work: Work, measure: str) -> Ratio | None:
        """Ours over the peer with the best median."""
        known = {peer: value for peer in self.language.peers if (value := self.median(work, peer, measure)) is not None}
        if not known:
            return None
        choose = max if measure == "throughput" else min
        return self.against(work, measure, choose(known, key=lambda peer: known[peer]))

    def busy(self) -> str | None:
        """Says that the machine had other work when the run began."""
        if self.machine["load_before"] <= 0.5 * self.machine["cores"]:
            return None
        return "**The machine was busy with other work when this run began.** A quiet one gives other numbers."


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The lower and the upper; of one value that value."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high
