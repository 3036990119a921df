# SPDX-License-Identifier: MIT
"""Reads the public headers: what they declare, and what the comments say about it.

A block comment directly above one or more DBPOOL_API declarations documents them. Its labelled facts ("Thread: any.") come
last; all before them is prose.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INCLUDE = ROOT / "include" / "dbpool"

FACTS = ("Thread", "Blocks", "Round-trips", "Callbacks")
LABEL = re.compile(r"(?:^|(?<=\s))(Errors|" + "|".join(FACTS) + r"):\s+")

COMMENT = r"/\*(?:[^*]|\*(?!/))*\*/"
DECLARATION = r"^(?:extern )?DBPOOL_API\b[^;]*;"
DOCUMENTED = re.compile(rf"(?:({COMMENT})\n)?((?:{DECLARATION}\n?)+)", re.MULTILINE)
NOISE = re.compile(r"\b(?:extern|DBPOOL_API|DBPOOL_MUST_CHECK|DBPOOL_PRINTF\([^)]*\))\s*")


@dataclass
class Declaration:
    name: str
    result: str  # or the type, for data
    parameters: list  # None for data
    text: str


@dataclass
class Entry:
    """One comment and the declarations below it."""

    header: str
    declarations: list
    prose: str
    facts: dict  # the four, and Errors when given

    @property
    def name(self):
        return self.declarations[0].name

    @property
    def is_function(self):
        return self.declarations[0].parameters is not None


def comment_text(comment):
    """The text inside a block comment, without its stars, indented as it stands."""
    lines = comment[2:-2].split("\n")
    return "\n".join([lines[0].strip()] + [re.sub(r"^ ?\*? ?", "", line).rstrip() for line in lines[1:]]).strip("\n")


def split_facts(text):
    """(prose, {label: value})"""
    parts = LABEL.split(text)
    values = (re.sub(r"\s+", " ", value).strip() for value in parts[2::2])
    return parts[0].strip(), dict(zip(parts[1::2], values))


def split_parameters(text):
    """Splits at the commas that are in no parentheses."""
    parts, depth = [""], 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]


def parse_declaration(text):
    clean = re.sub(r"\s+", " ", NOISE.sub("", text)).strip().rstrip(";").strip()
    match = re.fullmatch(r"(.*?)(\w+) ?\((.*)\)", clean)
    if match:
        return Declaration(match[2], match[1].strip(), split_parameters(match[3]), clean)
    result, name = re.fullmatch(r"(.*?)(\w+)", clean).groups()
    return Declaration(name, result.strip(), None, clean)


def entries(header):
    """All documented (or not) exported declarations of one header, in their order."""
    for match in DOCUMENTED.finditer(header.read_text()):
        prose, facts = split_facts(comment_text(match[1])) if match[1] else ("", {})
        declarations = [parse_declaration(d) for d in re.findall(DECLARATION, match[2], re.MULTILINE)]
        yield Entry(header.name, declarations, prose, facts)


def opening(header):
    """The text of the comment that a header begins with, without its SPDX line."""
    text = comment_text(re.match(COMMENT, header.read_text())[0])
    return re.sub(r"^SPDX-.*\n+", "", text)


@dataclass
class Option:
    kind: str
    field: str
    key: str
    default: str
    least: str
    most: str
    text: str


def table(macro, header, pattern):
    """The rows of an X-macro, as tuples of their captured parts."""
    text = re.search(rf"#define {macro}\(X\)((?:.*\\\n)*.*\n)", (INCLUDE / header).read_text())[1]
    return re.findall(pattern, text.replace("\\\n", "\n"), re.DOTALL)


def statuses():
    """(number, name without its prefix, meaning) of each status."""
    return table("DBPOOL_STATUSES", "dbpool.h", r'X\((\d+), (\w+), "([^"]*)"\)')


def options():
    row = r'X\((\w+), (\w+), "(\w+)", ([^,]+), ([^,]+), ([^,]+),\s*((?:"[^"]*"\s*)+)\)'
    for *parts, text in table("DBPOOL_OPTIONS", "options.h", row):
        yield Option(*parts, "".join(re.findall(r'"([^"]*)"', text)))


def headers():
    return sorted(INCLUDE.glob("*.h"))


def library_of(header):
    """The library that exports what a header declares."""
    return "libdbpool-" + header.stem if header.stem in ("postgresql", "sqlite") else "libdbpool"


def declared(library):
    """The names that a library has to export."""
    mine = [h for h in headers() if library_of(h) == library]
    return {d.name for h in mine for e in entries(h) for d in e.declarations}
