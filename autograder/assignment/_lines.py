"""In which line of a TOML file a key stands: tomllib does not say."""

import re

HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
KEY = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([\w-]+))\s*[.=]""")
LONG = re.compile(r'"""|' + "'''")


class Lines:
    """Line numbers, counted from 1, by table and key; tables are called as `Table` calls them: `quiz 2.options`."""

    def __init__(self, text: str) -> None:
        self._found: dict[tuple[str, str], int] = {}
        self._counts: dict[str, int] = {}
        place, in_text = "", False
        for number, line in enumerate(text.splitlines(), start=1):
            if not in_text:
                place = self._note(line, number, place)
            in_text ^= len(LONG.findall(line)) % 2 == 1

    def of(self, place: str, key: str = "") -> int | None:
        """The line of a key; where that has none, of its table, or of the key that holds an inline table."""
        while True:
            parent, _, last = place.rpartition(".")
            for wanted in ((place, key), (place, ""), (parent, last)):
                if wanted in self._found:
                    return self._found[wanted]
            if not place:
                return None
            place, key = parent, last

    def _note(self, line: str, number: int, place: str) -> str:
        """Take a line down; returns the table that the next one belongs to."""
        if header := HEADER.match(line):
            place = self._place(header[2].replace('"', "").replace("'", ""), is_array=header[1] == "[[")
            parent, _, last = place.rpartition(".")
            self._found.setdefault((place, ""), number)
            self._found.setdefault((parent, last.partition(" ")[0]), number)
        elif key := KEY.match(line):
            self._found.setdefault((place, key[1] or key[2] or key[3]), number)
        return place

    def _place(self, dotted: str, *, is_array: bool) -> str:
        """`quiz 2.options` for `[quiz.options]` below the second `[[quiz]]`."""
        if is_array:
            self._counts[dotted] = self._counts.get(dotted, 0) + 1
        parts, named = [part.strip() for part in dotted.split(".")], []
        for end, part in enumerate(parts, start=1):
            count = self._counts.get(".".join(parts[:end]))
            named.append(f"{part} {count}" if count else part)
        return ".".join(named)
