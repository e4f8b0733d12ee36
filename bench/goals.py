"""The project's goals, and how a run met them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from languages import LANGUAGES, OURS
from results import Ratio, Results
from work import MIB, ONE_CORE, SEED_SHAPES, Work, waiting

# How much a median may rise before it counts, where the quartiles part too.
NOISE = 1.05


@dataclass(frozen=True)
class Goal:
    """A bound on ratios of ours to another's, of which all have to keep it."""

    language: str
    text: str
    bound: float
    measure: Callable[[Results], Sequence[Ratio | None]]
    at_least: bool = False

    def row(self, results: Results | None) -> str:
        """A row of the table."""
        limit = f"{'>=' if self.at_least else '<='} {self.bound:g}"
        ratios = [ratio for ratio in (self.measure(results) if results else []) if ratio]
        if not ratios:
            return f"| {self.text} | {limit} | not measured | |"
        measured = ", ".join(f"{each.middle:.2f} ({each.low:.2f}-{each.high:.2f}; {each.other})" for each in ratios)
        middles = [ratio.middle for ratio in ratios]
        is_met = min(middles) >= self.bound if self.at_least else max(middles) <= self.bound
        return f"| {self.text} | {limit} | {measured} | {'yes' if is_met else '**no**'} |"


def best(measure: str, *works: Work) -> Callable[[Results], list[Ratio | None]]:
    """Against the best peer."""
    return lambda results: [results.against_best(work, measure) for work in works]


def to(other: str, measure: str, *works: Work) -> Callable[[Results], list[Ratio | None]]:
    """Against one client."""
    return lambda results: [results.against(work, measure, other) for work in works]


GET, SET = Work("get"), Work("set")
BATCHES = (Work("get_multi", 100), Work("set_multi", 100))
SEED = tuple(Work(shape) for shape in SEED_SHAPES)
CROWDS = tuple(work for work in waiting() if work.threads > 1 and not work.setting)
ON_ONE_CORE = tuple(work for work in waiting() if work.setting == ONE_CORE)
AWAY = tuple(work for work in waiting() if work.setting not in ("", ONE_CORE))

GOALS = (
    Goal("python", "Python get, set, one at a time, wall, ours / best peer", 0.5, best("wall", GET, SET)),
    Goal("python", "Python get, set, one at a time, CPU, ours / pylibmc", 1.0, to("pylibmc", "cpu", GET, SET)),
    Goal("python", "Python get_multi, set_multi of 100, wall, ours / best peer", 0.7, best("wall", *BATCHES)),
    Goal("python", "Python get_multi, set_multi of 100, CPU, ours / best peer", 0.7, best("cpu", *BATCHES)),
    Goal("python", "Python seed shapes, wall, ours / python-memcached", 0.4, to("python-memcached", "wall", *SEED)),
    Goal("python", "Python 8 threads, gets per second, ours / pylibmc with a client per thread", 1.1,
         to("pylibmc", "throughput", Work("get", threads=8)), at_least=True),
    Goal("python", "Python 32 threads, gets per second, ours / pylibmc with a client per thread", 1.4,
         to("pylibmc", "throughput", Work("get", threads=32)), at_least=True),
    Goal("python", "Python get of 1 MiB, wall, ours / pylibmc", 1.0, to("pylibmc", "wall", Work("get", size=MIB))),
    Goal("kotlin", "Kotlin get, set on 1 thread, wall, ours / best peer", 0.4, best("wall", GET, SET)),
    Goal("kotlin", "Kotlin get on 64 threads, throughput, ours / best peer", 3.0,
         best("throughput", Work("get", threads=64)), at_least=True),
    Goal("native", "Rust get, set on 1 thread, wall, ours / a raw loop with the same wait", 1.05,
         to("wire-spin", "wall", GET, SET)),
    Goal("native", "Rust get, set on 1 thread, wall, ours / libmemcached", 0.6, to("libmemcached", "wall", GET, SET)),
    Goal("native", "Rust get on 64 threads sharing a client, throughput, ours / libmemcached with a connection per thread",
         2.0, to("libmemcached", "throughput", Work("get", threads=64)), at_least=True),
    Goal("native", "8, 32 and 64 threads, wall, spin = auto / off", 1.05, to("cmemcache-blocking", "wall", *CROWDS)),
    Goal("native", "1 and 8 threads on one core, wall, spin = auto / off", 1.05,
         to("cmemcache-blocking", "wall", *ON_ONE_CORE)),
    Goal("native", "server 1 ms and 50 ms away, wall, spin = auto / off", 1.05, to("cmemcache-blocking", "wall", *AWAY)),
    Goal("native", "4 threads with small gets beside one of 1 MiB, p99, ours shared / libmemcached, a connection each",
         1.0, to("libmemcached", "p99", Work("get_beside_large", threads=4, server_threads=4))),
)  # fmt: skip


def page(found: dict[str, Results]) -> list[str]:
    """The page above all languages'."""
    lines = [
        "# Measured",
        "",
        "The goals of the project and how the last run met them. Ratios are medians over the rounds, each ",
    ]
    lines[-1] += (
        "round's by itself, with quartiles and the other's name in brackets. 100 B values, memcached -t 1 on loopback."
    )
    lines += [""]
    for name, results in found.items():
        machine = results.machine
        lines += [
            f"- [{results.language.title}]({name}.md): `{results.raw['command']}` on {machine['date']}, {machine['cpu']}, "
            f"{machine['cores']} cores, load average {machine['load_before']} before and {machine['load']} after, "
            f"{results.raw['rounds']} rounds. {results.busy() or ''}".strip()
        ]
    missing = [language.title for name, language in LANGUAGES.items() if name not in found]
    if missing:
        lines += [f"- Not measured: {', '.join(missing)}."]
    lines += ["", "| goal | bound | measured | met? |", "|---|---|---|---|"]
    lines += [goal.row(found.get(goal.language)) for goal in GOALS]
    lines += extras(found.get("native"))
    lines += ["", "The cost per key, per byte, per server and per call never rises as the work grows:", ""]
    lines += [f"- {results.language.title}: {line}" for results in found.values() for line in growth(results)]
    return lines


def extras(native: Results | None) -> list[str]:
    """Rows for what is no ratio."""
    raw = native.raw["extras"] if native else {}
    picks, idle = raw.get("picks"), raw.get("idle", {})
    lines = []
    if picks:
        schemes = list(dict.fromkeys(row["scheme"] for row in picks))
        most = {name: max(max(row["ns"]) for row in picks if row["scheme"] == name) for name in schemes}
        text = "at most, keys of 20 to 250 bytes: " + ", ".join(f"{name} {ns} ns" for name, ns in most.items())
        is_met = verdict(max(most.values()) < 300)
        lines += [f"| choosing a server among 1, 10, 100, 1000 | < 300 ns | {text} | {is_met} |"]
    else:
        lines += ["| choosing a server among 1, 10, 100, 1000 | < 300 ns | not measured | |"]
    text = f"client with {idle.get('servers', 1000)} idle servers"
    if "bytes" in idle:
        return [*lines, f"| {text} | < 20 MB | {idle['bytes'] / 1e6:.1f} MB | {verdict(idle['bytes'] < 20e6)} |"]
    return [*lines, f"| {text} | < 20 MB | {idle.get('error', 'not measured')} | |"]


def verdict(is_met: bool) -> str:
    """As the table says it."""
    return "yes" if is_met else "**no**"


def growth(results: Results) -> list[str]:
    """Whether ours gets dearer per unit of work as the work grows."""
    series = [
        ("get, time per call of all threads", results.series("get", "threads"), lambda work: work.threads),
        *((f"{name}, time per key", results.series(name, "batch"), lambda work: work.batch)
          for name in ("get_multi", "set_multi")),
        *((f"{name}, time per byte", results.series(name, "size"), lambda work: work.size) for name in ("get", "set")),
        ("get_multi of 100 keys for each server, time per server", results.by_servers(), lambda work: work.servers),
    ]  # fmt: skip
    return [
        f"{title}: {rises(results, works, units)}"
        for title, works, units in series
        if len(works) > 1 and results.values(works[0], OURS, "wall")
    ]


def rises(results: Results, works: Sequence[Work], units: Callable[[Work], int]) -> str:
    """How ours grows, and where it gets dearer how the bare loop does, which has no code of ours in it."""
    ours, steps = growth_of(results, OURS, works, units)
    said = f"**rises** {ours}" if ours else "never rises"
    if ours and results.values(works[0], "wire", "wall"):
        wire, _ = growth_of(results, "wire", works, units)
        said += f"; `wire` rises {wire}" if wire else "; `wire` never rises"
    return f"{said} (us at {steps})"


def growth_of(results: Results, client: str, works: Sequence[Work], units: Callable[[Work], int]) -> tuple[str, str]:
    """Where a client gets dearer, and its cost at each step.

    A step is compared with the cheapest smaller one; both medians and quartiles have to differ.
    """
    costs = []
    for work in works:
        middle = results.median(work, client, "wall")
        if middle is not None:
            low, high = results.spread(work, client, "wall")
            costs.append((units(work), *(value / units(work) for value in (low, middle, high))))
    found = []
    for place, (unit, low, middle, _) in enumerate(costs):
        if place == 0:
            continue
        smaller, _, least, upper = min(costs[:place], key=lambda cost: cost[2])
        if middle > NOISE * least and low > upper:
            found.append(f"by {middle / least - 1:.0%} from {smaller:,} to {unit:,}")
    return ", ".join(found), "; ".join(f"{unit:,}: {middle:.3g}" for unit, _, middle, _ in costs)
