"""How the generators write their vectors: one case per line."""

import json
from pathlib import Path


def write(name, about, cases):
    """Writes `cases` to ../`name`."""
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    text = f'{{\n"about": {json.dumps(about)},\n"cases": [\n{lines}\n]\n}}\n'
    (Path(__file__).parent.parent / name).write_text(text, encoding="utf-8")
