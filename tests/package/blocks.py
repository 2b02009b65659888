"""
The blocks of a document: what a reader would paste, the files that it shows, and what stands there only to be read.

In Markdown a block is fenced, and its first word says what it is: `sh` and `console` are commands (`console` with
what they print behind a `$`), a word and a path are lines of that file, `text` is only read. A block of commands that
no test runs has a comment before it: <!-- not run: the reason -->. In README.Debian the commands are indented by five.
"""

import dataclasses
import re

from machine import Shell
from stack import ROOT

COMMANDS = ("sh", "console")
FENCE = re.compile(r"(?P<indent> *)```(?P<info>.*)")
MARK = re.compile(r"<!-- not run:(?P<reason>.*?)-->\s*\Z", re.S)
DEBIAN_INDENT = " " * 5


@dataclasses.dataclass
class Block:
    document: str
    line: int
    heading: str
    kind: str
    name: str
    text: str
    reason: str | None = None  # why it is not run

    @property
    def place(self):
        return f"{self.document}:{self.line}"

    @property
    def runs(self):
        return self.kind in COMMANDS and self.reason is None


def markdown(document, text):
    lines, found, heading, at = text.splitlines(), [], "", 0
    while at < len(lines):
        fence = FENCE.fullmatch(lines[at])
        if not fence:
            heading = re.sub(r"^#+ ", "", lines[at]) if lines[at].startswith("#") else heading
            at += 1
            continue
        end = lines.index(fence["indent"] + "```", at + 1)
        mark = MARK.search("\n".join(lines[:at]))
        kind, _, name = fence["info"].partition(" ")
        body = "\n".join(line.removeprefix(fence["indent"]) for line in lines[at + 1:end])
        found.append(Block(document, at + 1, heading, kind, name, body, mark and mark["reason"].strip()))
        at = end + 1
    return found


def debian(document, text):
    """Blocks end where a line is not indented as they are."""
    lines, found, heading = text.splitlines(), [], ""
    for number, line in enumerate(lines, 1):
        if not line.startswith(DEBIAN_INDENT):
            heading = lines[number - 2] if re.fullmatch(r"[-=]+", line) else heading
        elif found and found[-1].line + found[-1].text.count("\n") + 1 == number:
            found[-1].text += "\n" + line[len(DEBIAN_INDENT):]
        else:
            found.append(Block(document, number, heading, "sh", "", line[len(DEBIAN_INDENT):]))
    return found


def blocks(document):
    """All of a document, which is named from the source folder."""
    text = (ROOT / document).read_text()
    return markdown(document, text) if document.endswith(".md") else debian(document, text)


def documents():
    """Every document that a reader may take commands from."""
    return ["debian/README.Debian", *sorted(str(path.relative_to(ROOT)) for folder in (ROOT, ROOT / "doc", ROOT / "bench")
                                            for path in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md")))]


def session(block):
    """The commands of a `console` block, each with the lines that it is said to print."""
    steps = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            steps.append([line[2:], []])
        elif steps[-1][0].endswith("\\") and not steps[-1][1]:
            steps[-1][0] += "\n" + line
        else:
            steps[-1][1].append(line)
    return steps


def follow_readme(machine):
    """Sets Clientele up word for word as README.Debian says; returns the API key and what the first request printed."""
    steps = blocks("debian/README.Debian")
    *setup, last = [block.text for block in steps if block.heading == steps[0].heading]
    shell = Shell(machine)
    output = "".join(shell.paste(text) for text in setup)
    key = re.search(r"^ck_live_\S+$", output, re.M).group(0)
    first = shell.paste(last)
    shell.end()
    return key, first


# ---------------------------------------------------------------- what is printed

# What differs from one time to the next; a document has examples. The same example stands for the same text throughout.
VOLATILE = (r"\b(?:cus|org|req|key|cur|pln|sub|inv)_[0-9A-Za-z]{22}\b", r"\b[cr]k_(?:live|sandbox)_[0-9A-Za-z]+",
            r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", r"\b[0-9a-f]{16}(?:[0-9a-f]{16})?\b")
FIGURE = r"\d+(?:\.\d+)?"


def pattern_of(line, figures, names):
    """A line of a document as a regular expression; names gets the example of each group."""
    pattern = ""
    for part in re.split("|".join((r"( *\.\.\. *| +", *VOLATILE, *((FIGURE,) * figures))) + ")", line):
        volatile = next((one for one in VOLATILE if re.fullmatch(one, part)), None)
        if part.strip() == "...":
            pattern += ".*?"
        elif part and not part.strip():
            pattern += " +"
        elif volatile and part in names:
            pattern += f"(?P=n{names.index(part)})"
        elif volatile:
            names.append(part)
            pattern += f"(?P<n{len(names) - 1}>{volatile})"
        elif figures and re.fullmatch(FIGURE, part):
            pattern += FIGURE
        else:
            pattern += re.escape(part)
    return pattern.removesuffix(" +")


def printed(wanted, got, figures=False):
    """
    None when got is not what these lines of a document say, where `...` stands for any text, and alone for any lines;
    figures: numbers need not be the same. Else what the examples in them are now.
    """
    pattern, names = "", []
    for line in wanted:
        pattern += r"(?:.*\n)*?" if line.strip() == "..." else pattern_of(line, figures, names) + r" *\n"
    match = re.fullmatch(pattern, "".join(line.rstrip() + "\n" for line in got.strip("\n").splitlines()))
    return match and {name: match[f"n{number}"] for number, name in enumerate(names)}
