"""How the generators write their vectors: one case per line, behind a head that says which suites run them."""

import json
from pathlib import Path

SUITES = ("rust", "python", "kotlin", "swift")


def write(name, about, cases, suites=SUITES, why=None):
    """Writes `cases` to ../`name`. Where a suite is left out, of the file or of a case, `why` says for what reason."""
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    reason = "" if why is None else f'"why": {json.dumps(why)},\n'
    text = f'{{\n"about": {json.dumps(about)},\n"suites": {json.dumps(suites)},\n{reason}"cases": [\n{lines}\n]\n}}\n'
    (Path(__file__).parent.parent / name).write_text(text, encoding="utf-8")


def named(cases):
    """Clusters of servers with a name each."""
    return [{"name": f"cluster {at}, servers: {len(one['servers'])}", **one} for at, one in enumerate(cases, 1)]
