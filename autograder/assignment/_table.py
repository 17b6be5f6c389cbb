"""A TOML table that knows its file and place, hands out typed entries, and refuses those nobody asked for."""

import keyword
import math
import tomllib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from autograder.assignment._lines import Lines
from autograder.errors import AuthoringError, did_you_mean


class Table:
    """Typed access to one table; every method raises a AuthoringError that names file, table and key."""

    def __init__(self, data: dict[str, Any], file: Path, lines: Lines, place: str = "") -> None:
        self._data, self._file, self._lines, self._place = data, file, lines, place
        self._known = set[str]()

    @classmethod
    def read(cls, file: Path) -> "Table":
        """The whole of a TOML file."""
        try:
            text = file.read_text(encoding="utf-8")
            return cls(tomllib.loads(text), file, Lines(text))
        except OSError as error:
            raise AuthoringError(f"{file}: cannot be read ({error.strerror})") from error
        except ValueError as error:  # what tomllib raises, and what text that is not UTF-8 raises
            raise AuthoringError(f"{file}: {error}") from error

    @classmethod
    def empty(cls, file: Path, place: str = "") -> "Table":
        """A table without entries, as of a file that does not have it."""
        return cls({}, file, Lines(""), place)

    def __contains__(self, key: str) -> bool:
        self._known.add(key)
        return key in self._data

    def fault(self, message: str, key: str = "") -> AuthoringError:
        """The error to raise about this table, or about one of its keys."""
        line = self._lines.of(self._place, key)
        where = f"{self._file}:{line}" if line else str(self._file)
        return AuthoringError(f"{where}: {f'[{self._place}] ' if self._place else ''}{message}")

    def close(self) -> None:
        """Refuse the keys that nobody asked for; call it when all others have been read."""
        for key in self._data:
            if key not in self._known:
                raise self.fault(f"unknown key {key!r}{did_you_mean(key, self._known)}", key)

    def text(self, key: str, default: str | None = None, *, empty: bool = False) -> str:
        """A text, not blank unless that is the default or `empty`."""
        value = self._take(key, (str,), "text", default)
        if not (value.strip() or empty or value == default):
            raise self.fault(f"{key} is empty", key)
        return str(value)

    def choice(self, key: str, known: Sequence[str], default: str) -> str:
        """One of the texts that are known."""
        value = self.text(key, default)
        if value not in known:
            near = did_you_mean(value, known)
            raise self.fault(f"{key} must be one of {', '.join(known)}, not {value!r}{near}", key)
        return value

    def identifier(self, key: str) -> str:
        """A text that is a Python name."""
        return self._named(key, self.text(key))

    def number(self, key: str, default: float | None = None) -> float:
        """A positive, finite number."""
        return self._positive(key, self._take(key, (int, float), "a number", default))

    def whole(self, key: str, default: int) -> int:
        """A positive whole number."""
        return int(self._positive(key, self._take(key, (int,), "a whole number", default)))

    def flag(self, key: str) -> bool:
        """True or false; false if it is missing."""
        self._known.add(key)
        value = self._data.get(key, False)
        if not isinstance(value, bool):
            raise self.fault(f"{key} must be true or false, not {value!r}", key)
        return value

    def texts(self, key: str, default: tuple[str, ...] | None = None, *, names: bool = False) -> tuple[str, ...]:
        """A list of different texts (Python names if `names`), empty only if that is the default."""
        values = self._take(key, (list, tuple), "a list of texts", default)
        for value in values:
            if not isinstance(value, str) or not value.strip():
                raise self.fault(f"{key} must be a list of texts, not {values!r}", key)
            if names:
                self._named(key, value)
            if values.count(value) > 1:
                raise self.fault(f"{key} lists {value!r} twice", key)
        if not values and default != ():
            raise self.fault(f"{key} is empty", key)
        return tuple(values)

    def moment(self, key: str) -> datetime:
        """A time with its zone."""
        value: datetime = self._take(key, (datetime,), "a time such as 2026-11-01T23:59:00+01:00")
        if value.tzinfo is None:
            raise self.fault(f"{key} has no zone: write {value.isoformat()}Z, or +01:00 instead of Z", key)
        return value

    def moments(self) -> dict[str, datetime]:
        """All entries, each a time with its zone."""
        return {key: self.moment(key) for key in self._data}

    def table(self, key: str, *, required: bool = True) -> "Table":
        """The table under `key`, an empty one if it is missing and not required."""
        value = self._take(key, (dict,), "a table", None if required else {})
        return Table(value, self._file, self._lines, f"{self._place}.{key}" if self._place else key)

    def tables(self) -> Iterator[tuple[str, "Table"]]:
        """All entries, each a table whose key is a Python name."""
        for key in self._data:
            yield self._named("table", key), self.table(key)

    def anything(self) -> Iterator[tuple[str, Any]]:
        """All entries, each under a Python name, whatever it is."""
        self._known.update(self._data)
        yield from ((self._named("table", key), value) for key, value in self._data.items())

    def choices(self) -> dict[str, str]:
        """All entries, each a text."""
        return {key: self.text(key) for key in self._data}

    def numbers(self) -> dict[str, float]:
        """All entries, each a positive, finite number."""
        return {key: self.number(key) for key in self._data}

    def entries(self, key: str) -> Iterator["Table"]:
        """The tables of an array of tables, `[[key]]`; none if it is missing."""
        for position, value in enumerate(self._take(key, (list,), "an array of tables", []), start=1):
            if not isinstance(value, dict):
                raise self.fault(f"{key} {position} must be a table, not {value!r}", key)
            place = f"{self._place}.{key} {position}" if self._place else f"{key} {position}"
            yield Table(value, self._file, self._lines, place)

    def _take(self, key: str, kinds: tuple[type, ...], called: str, default: Any = None) -> Any:
        self._known.add(key)
        if key not in self._data:
            if default is None:
                raise self.fault(f"{key} is missing{did_you_mean(key, self._data.keys() - self._known)}")
            return default
        value = self._data[key]
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise self.fault(f"{key} must be {called}, not {value!r}", key)
        return value

    def _named(self, key: str, value: str) -> str:
        if not value.isidentifier() or keyword.iskeyword(value):
            raise self.fault(f"{key}: {value!r} is not a Python name", key)
        return value

    def _positive(self, key: str, value: float) -> float:
        if not 0 < value < math.inf:
            raise self.fault(f"{key} must be positive and finite, not {value!r}", key)
        return value
