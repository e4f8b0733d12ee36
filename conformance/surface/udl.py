"""The interface as core/src/cmemcache.udl describes it, as a list of what it names."""

from __future__ import annotations

import re
from typing import NamedTuple


class Element(NamedTuple):
    """Something that the UDL names: a type, or a member of one."""

    #: type, method, option (a member of ClientOptions or ServerSpec), field, variant or error.
    kind: str
    owner: str
    #: The name of the member; empty for the type itself.
    name: str = ""

    def __str__(self) -> str:
        return f"{self.owner}.{self.name}" if self.name else self.owner


OPTIONS = ("ClientOptions", "ServerSpec")

_BLOCK = re.compile(r"((?:\[[^\]]*\]\s*)?)(dictionary|enum|interface)\s+(\w+)\s*\{(.*?)\};", re.DOTALL)


def elements(text: str) -> list[Element]:
    """Everything that a UDL of ours names, but for the functions of its namespace, which are the wrappers' own door."""
    text = re.sub(r"//[^\n]*", "", text)
    found = []
    for attribute, kind, owner, body in _BLOCK.findall(text):
        if "Error" in attribute:
            members = [Element("error", owner, name) for name in re.findall(r"(\w+)\s*\(", body)]
        elif kind == "enum":
            members = [Element("variant", owner, name) for name in re.findall(r'"(\w+)"', body)]
        elif "Enum" in attribute:
            members = [Element("variant", owner, name) for name in re.findall(r"(\w+)\s*\(", body)]
        elif kind == "dictionary":
            member = "option" if owner in OPTIONS else "field"
            members = [Element(member, owner, name) for name in re.findall(r"(\w+)\s*(?:=[^;]*)?;", body)]
        else:
            body = re.sub(r"\[Name=(\w+)\]\s*constructor", r"\1", body)
            body = re.sub(r"\[[^\]]*\]", "", body)
            members = [Element("method", owner, name) for name in re.findall(r"(\w+)\s*\(", body)]
        found += [Element("type", owner), *members]
    return found
