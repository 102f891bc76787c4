"""Python of newer grammars, rewritten so that Python 3.11 parses it and does the same with it.

Minifiers write f-strings of Python 3.12: the same quote nested, backslashes, comments and line
breaks in a field. Such an f-string becomes a call of ``str.format`` with the same template; all
others stay as they are. Type parameters and ``type`` statements (PEP 695), which only annotate,
are blanked. Lines keep their numbers. Nothing is run. Standard library alone.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass

DEEPEST = 12
"""Strings within fields of strings; more is refused, as hostile."""
_START = re.compile(
    r"(?P<comment>#[^\n]*)|(?P<prefix>(?<!\w)(?:[rR][bBfF]?|[bBfF][rR]?|[uU]))?"
    r"(?P<quote>\"\"\"|'''|\"|')"
)
_ENDS = {
    "'": re.compile(r"[^'\\\n]*(?:\\.[^'\\\n]*)*'", re.DOTALL),
    '"': re.compile(r'[^"\\\n]*(?:\\.[^"\\\n]*)*"', re.DOTALL),
    "'''": re.compile(r"[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''", re.DOTALL),
    '"""': re.compile(r'[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""', re.DOTALL),
}
_LITERAL = {
    quote: re.compile(body, re.DOTALL)
    for quote, body in (
        ("'", r"[^'\\{}\n]+"),
        ('"', r'[^"\\{}\n]+'),
        ("'''", r"(?:[^'\\{}]|'(?!''))+"),
        ('"""', r'(?:[^"\\{}]|"(?!""))+'),
    )
}
_IN_FIELD = re.compile(r"[^\"'#()\[\]{}!:=<>\\rRbBuUfF]+")
_BETWEEN = re.compile(r"(?:[ \t\f]|\\\n|#[^\n]*|\n)*")
_TYPES = re.compile(
    r"^(?P<alias>[ \t]*)type[ \t]+(?=[A-Za-z_]\w*[ \t]*(?:\[[^\]\n]*\][ \t]*)?=(?!=))"
    r"|^[ \t]*(?:async[ \t]+def|def|class)[ \t]+\w+[ \t]*(?=\[)",
    re.MULTILINE,
)
_SIGNS = re.compile(r"#[^\n]*|[()\[\]{}]")
_BRACKETS = re.compile(r"[\[\]]")


class TooNewError(ValueError):
    """A source that no grammar known here reads; ``line`` is where, from 1."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.line = line


@dataclass
class _String:
    """One string literal: where it lies, and what it is rewritten to, where it must be."""

    start: int
    end: int
    rewritten: str | None = None


def readable_by_311(source: str) -> str:
    """The same program for Python 3.11; the source itself where that reads it as it is.

    Raises:
        TooNewError: a string does not end, or strings are nested deeper than ``DEEPEST``.
    """
    return _Lexer(_without_type_parameters(source)).whole()


def is_newer(source: str) -> bool:
    """Whether a source is written in a grammar that Python 3.11 refuses."""
    return readable_by_311(source) != source


def _without_type_parameters(text: str) -> str:
    """Blank what PEP 695 added, outside of strings and comments."""
    found = list(_TYPES.finditer(text))
    if not found:
        return text
    strings = _Lexer(text).strings(0, len(text))
    pieces, at = [], 0
    for match in found:
        if any(string.start <= match.start() < string.end for string in strings):
            continue
        opens = text.find("[", match.end())
        if match["alias"] is not None:
            pieces += [text[at : match.start()], match["alias"]]
            at = match.end()
            if opens < 0 or opens > text.find("=", at):
                continue
        depth, closes = 0, opens
        for bracket in _BRACKETS.finditer(text, opens):
            depth += 1 if bracket[0] == "[" else -1
            closes = bracket.end()
            if not depth:
                break
        pieces += [text[at:opens], re.sub(r"[^\n]", " ", text[opens:closes])]
        at = closes
    return "".join([*pieces, text[at:]])


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self._depths: list[tuple[int, int]] | None = None

    def whole(self) -> str:
        return self.assembled(0, len(self.text), self.strings(0, len(self.text)))

    def strings(self, at: int, end: int) -> list[_String]:
        """All string literals from ``at`` to ``end`` that are not inside another one."""
        found = []
        while (start := _START.search(self.text, at, end)) is not None:
            at = start.end()
            if start["comment"] is None:
                found.append(self.string(start, 0))
                at = found[-1].end
        return found

    def assembled(
        self, start: int, end: int, strings: list[_String], *, field: bool = False
    ) -> str:
        """The text from ``start`` to ``end`` with what must be rewritten."""
        text = self.text
        if all(string.rewritten is None for string in strings):
            return text[start:end]
        pieces, at = [], start
        for run in self._runs(strings, field):
            if any(string.rewritten is not None for string in run):
                pieces += [text[at : run[0].start], self._joined(run)]
                at = run[-1].end
        return "".join([*pieces, text[at:end]])

    def _runs(self, strings: list[_String], field: bool) -> list[list[_String]]:
        """Literals that stand side by side, which Python joins to one."""
        runs: list[list[_String]] = []
        for string in strings:
            last = runs[-1][-1] if runs else None
            if (
                last
                and _BETWEEN.fullmatch(self.text, last.end, string.start)
                and (field or not self._new_statement(last.end, string.start))
            ):
                runs[-1].append(string)
            else:
                runs.append([string])
        return runs

    def _new_statement(self, start: int, end: int) -> bool:
        # Two string statements below each other; within brackets, a line break joins.
        between = self.text[start:end]
        return "\n" in between.replace("\\\n", "") and not self._in_brackets(start)

    def _in_brackets(self, at: int) -> bool:
        if self._depths is None:
            self._depths = self._bracket_depths()
        place = bisect_right(self._depths, (at, 1 << 60)) - 1
        return place >= 0 and self._depths[place][1] > 0

    def _bracket_depths(self) -> list[tuple[int, int]]:
        depths, depth, at = [], 0, 0
        for string in [*self.strings(0, len(self.text)), _String(len(self.text), 0)]:
            for sign in _SIGNS.finditer(self.text, at, string.start):
                if not sign[0].startswith("#"):
                    depth += 1 if sign[0] in "([{" else -1
                    depths.append((sign.start(), depth))
            at = string.end
        return depths

    def _joined(self, run: list[_String]) -> str:
        """A run of adjacent literals: Python joins them, but not once one of them is a call."""
        text, parts = self.text, []
        for before, string in zip([None, *run], run, strict=False):
            if before is not None:
                parts.append(text[before.end : string.start].replace("\\\n", "\n") + "+ ")
            own = text[string.start : string.end]
            parts.append(own if string.rewritten is None else string.rewritten)
        return f"({''.join(parts)})" if len(run) > 1 else parts[0]

    def string(self, start: re.Match[str], depth: int) -> _String:
        prefix, quote = (start["prefix"] or "").lower(), start["quote"]
        if "f" in prefix:
            return self._formatted(start, depth)
        end = _ENDS[quote].match(self.text, start.end())
        if end is None:
            raise self.error("a string that does not end", start.start())
        return _String(start.start(), end.end())

    def error(self, problem: str, at: int) -> TooNewError:
        return TooNewError(problem, self.text.count("\n", 0, at) + 1)

    def _formatted(self, start: re.Match[str], depth: int) -> _String:
        if depth >= DEEPEST:
            raise self.error("strings nested too deeply", start.start())
        reader = _Formatted(self, start["quote"], "r" in start["prefix"].lower(), depth)
        at = reader.read(start.end(), in_spec=0)
        end = at + len(start["quote"])
        string = _String(start.start(), end)
        if reader.newer:
            prefix = start["prefix"].replace("f", "").replace("F", "")
            quote = start["quote"]
            arguments = ", ".join(reader.arguments)
            string.rewritten = (
                f"{prefix}{quote}{''.join(reader.template)}{quote}.format({arguments})"
            )
        return string


class _Formatted:
    """Reads one f-string: its template for ``str.format``, and the arguments of that."""

    def __init__(self, lexer: _Lexer, quote: str, raw: bool, depth: int) -> None:
        self.lexer, self.text = lexer, lexer.text
        self.quote, self.raw, self.depth = quote, raw, depth
        self.template: list[str] = []
        self.arguments: list[str] = []
        self.newer = False

    def read(self, at: int, *, in_spec: int) -> int:
        """Read literal text and fields up to the closing quote, or the ``}`` that ends a spec."""
        text, literal = self.text, _LITERAL[self.quote]
        while at < len(text):
            if (plain := literal.match(text, at)) is not None:
                self.template.append(plain[0])
                at = plain.end()
            elif text.startswith(self.quote, at) and not in_spec:
                return at
            elif text[at] == "\\":
                at = self._escape(at)
            elif text.startswith(("{{", "}}"), at) and not in_spec:
                self.template.append(text[at : at + 2])
                at += 2
            elif text[at] == "{":
                at = self._field(at + 1, in_spec)
            elif text[at] == "}" and in_spec:
                return at
            else:
                break
        raise self.lexer.error("an f-string that does not end", min(at, len(text)))

    def _escape(self, at: int) -> int:
        """An escape of the literal text; a name in braces is no field."""
        end = at + 2
        if self.text[at + 1 : end] in ("{", "}"):
            end = at + 1
        elif self.text.startswith("\\N{", at) and not self.raw:
            end = self.text.find("}", at) + 1 or end
        self.template.append(self.text[at:end])
        return end

    def _field(self, at: int, in_spec: int) -> int:
        """One replacement field, from behind its brace to behind its closing brace."""
        text = self.text
        end, expression, newer = self._expression(at)
        self.newer |= newer or in_spec > 1
        debug = ""
        if text[end] == "=":
            after = end + 1
            while after < len(text) and text[after].isspace():
                after += 1
            debug, end = text[at:after], after
        if debug:
            self.template.append("{}")
            self.arguments.append(repr(debug))
        self.template.append("{")
        self.arguments.append(f"({expression})")
        conversion = ""
        if text.startswith("!", end):
            conversion, end = text[end : end + 2], end + 2
            while text.startswith((" ", "\n"), end):
                end += 1
        if debug and not conversion and not text.startswith(":", end):
            conversion = "!r"
        self.template.append(conversion)
        if text.startswith(":", end):
            self.template.append(":")
            end = self.read(end + 1, in_spec=in_spec + 1)
        if not text.startswith("}", end):
            raise self.lexer.error("a field of an f-string that does not end", min(end, len(text)))
        self.template.append("}")
        return end + 1

    def _expression(self, begin: int) -> tuple[int, str, bool]:
        """The expression of a field: where it ends, its text, and whether 3.11 refuses it."""
        text, depth, at, comment = self.text, 0, begin, False
        strings: list[_String] = []
        while at < len(text):
            if (plain := _IN_FIELD.match(text, at)) is not None:
                at = plain.end()
            elif (start := _START.match(text, at)) is not None:
                at = start.end()
                if start["comment"] is None:
                    strings.append(self.lexer.string(start, self.depth + 1))
                    at = strings[-1].end
                comment |= start["comment"] is not None
            elif not depth and self._ends(at):
                break
            else:
                depth += (text[at] in "([{") - (text[at] in ")]}")
                at += 2 if text[at : at + 2] in ("==", "!=", "<=", ">=") else 1
        else:
            raise self.lexer.error("a field of an f-string that does not end", at)
        written = text[begin:at]
        newer = comment or "\\" in written or self.quote in written
        newer |= "\n" in written and len(self.quote) == 1
        newer |= any(string.rewritten is not None for string in strings)
        return at, self.lexer.assembled(begin, at, strings, field=True), newer

    def _ends(self, at: int) -> bool:
        sign, after = self.text[at], self.text[at + 1 : at + 2]
        return sign in "}:" or (sign in "!=" and after != "=")
