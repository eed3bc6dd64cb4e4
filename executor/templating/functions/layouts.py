"""Go's time layouts (`2006-01-02 15:04:05`), for writing and reading times."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

from executor.templating.errors import Refusal

_PIECES = re.compile(
    r"January|Jan|Monday|Mon|MST|2006|-07:00:00|-070000|-07:00|-0700|-07|Z07:00:00|Z070000|Z07:00|Z0700|Z07"
    r"|[.,]0+(?![0-9])|[.,]9+(?![0-9])|002|__2|_2006|_2|01|02|03|04|05|06|15|PM|pm|1|2|3|4|5"
)
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def _hour12(moment: dt.datetime) -> int:
    return moment.hour % 12 or 12


def _offset(moment: dt.datetime, colon: str, seconds: bool = False, minutes: bool = True) -> str:
    total = int((moment.utcoffset() or dt.timedelta()).total_seconds())
    sign, total = ("-", -total) if total < 0 else ("+", total)
    parts = [f"{total // 3600:02d}"]
    parts += [f"{total // 60 % 60:02d}"] if minutes else []
    parts += [f"{total % 60:02d}"] if seconds else []
    return sign + colon.join(parts)


def _or_z(moment: dt.datetime, text: str) -> str:
    return text if moment.utcoffset() else "Z"


_WRITERS: dict[str, Callable[[dt.datetime], str]] = {
    "January": lambda t: _MONTHS[t.month - 1],
    "Jan": lambda t: _MONTHS[t.month - 1][:3],
    "Monday": lambda t: _DAYS[t.weekday()],
    "Mon": lambda t: _DAYS[t.weekday()][:3],
    "MST": lambda t: t.tzname() or _offset(t, ""),
    "2006": lambda t: f"{t.year:04d}",
    "06": lambda t: f"{t.year % 100:02d}",
    "01": lambda t: f"{t.month:02d}",
    "1": lambda t: str(t.month),
    "02": lambda t: f"{t.day:02d}",
    "_2": lambda t: f"{t.day:2d}",
    "_2006": lambda t: f"_{t.year:04d}",
    "2": lambda t: str(t.day),
    "002": lambda t: f"{t.timetuple().tm_yday:03d}",
    "__2": lambda t: f"{t.timetuple().tm_yday:3d}",
    "15": lambda t: f"{t.hour:02d}",
    "03": lambda t: f"{_hour12(t):02d}",
    "3": lambda t: str(_hour12(t)),
    "04": lambda t: f"{t.minute:02d}",
    "4": lambda t: str(t.minute),
    "05": lambda t: f"{t.second:02d}",
    "5": lambda t: str(t.second),
    "PM": lambda t: "AM" if t.hour < 12 else "PM",
    "pm": lambda t: "am" if t.hour < 12 else "pm",
    "-0700": lambda t: _offset(t, ""),
    "-07:00": lambda t: _offset(t, ":"),
    "-07": lambda t: _offset(t, "", minutes=False),
    "-070000": lambda t: _offset(t, "", seconds=True),
    "-07:00:00": lambda t: _offset(t, ":", seconds=True),
    "Z0700": lambda t: _or_z(t, _offset(t, "")),
    "Z07:00": lambda t: _or_z(t, _offset(t, ":")),
    "Z07": lambda t: _or_z(t, _offset(t, "", minutes=False)),
    "Z070000": lambda t: _or_z(t, _offset(t, "", seconds=True)),
    "Z07:00:00": lambda t: _or_z(t, _offset(t, ":", seconds=True)),
}


def format_time(layout: str, moment: dt.datetime) -> str:
    """time.Time.Format."""
    return _PIECES.sub(lambda match: _write(match.group(), moment), layout)


def _write(piece: str, moment: dt.datetime) -> str:
    if piece[0] in ".,":
        digits = f"{moment.microsecond * 1000:09d}"[: len(piece) - 1]
        if piece[1] == "9":
            digits = digits.rstrip("0")
        return piece[0] + digits if digits else ""
    return _WRITERS[piece](moment)


_READERS: dict[str, tuple[str, str]] = {
    "January": ("month_name", "[A-Za-z]+"),
    "Jan": ("month_name", "[A-Za-z]{3}"),
    "Monday": ("ignored", "[A-Za-z]+"),
    "Mon": ("ignored", "[A-Za-z]{3}"),
    "MST": ("zone_name", "[A-Z]{3,5}"),
    "2006": ("year", "[0-9]{4}"),
    "06": ("short_year", "[0-9]{2}"),
    "01": ("month", "[0-9]{2}"),
    "1": ("month", "[0-9]{1,2}"),
    "02": ("day", "[0-9]{2}"),
    "_2": ("day", " ?[0-9]{1,2}"),
    "2": ("day", "[0-9]{1,2}"),
    "15": ("hour", "[0-9]{2}"),
    "03": ("hour12", "[0-9]{2}"),
    "3": ("hour12", "[0-9]{1,2}"),
    "04": ("minute", "[0-9]{2}"),
    "4": ("minute", "[0-9]{1,2}"),
    "05": ("second", "[0-9]{2}(?:[.,][0-9]+)?"),
    "5": ("second", "[0-9]{1,2}(?:[.,][0-9]+)?"),
    "PM": ("half", "AM|PM"),
    "pm": ("half", "am|pm"),
}


def parse_time(layout: str, text: str) -> dt.datetime:
    """time.Parse, in UTC where the text names no offset. Raises Refusal."""
    names: list[str] = []
    pattern = ""
    at = 0
    for match in _PIECES.finditer(layout):
        pattern += re.escape(layout[at : match.start()])
        name, form = _reader(match.group())
        names.append(name)
        pattern += f"({form})"
        at = match.end()
    found = re.fullmatch(pattern + re.escape(layout[at:]), text)
    if found is None:
        raise Refusal(f'parsing time "{text}" as "{layout}": cannot parse it', "The text must look like the layout.")
    try:
        return _assemble(dict(zip(names, found.groups(), strict=True)))
    except ValueError as error:
        raise Refusal(f'parsing time "{text}": {error}') from None


def _reader(piece: str) -> tuple[str, str]:
    if piece[0] in ".,":
        return "fraction", "(?:[.,][0-9]+)?" if piece[1] == "9" else "[.,][0-9]+"
    if piece.startswith(("-07", "Z07")):
        return "offset", r"Z|[+-][0-9]{2}(?::?[0-9]{2}){0,2}" if piece[0] == "Z" else r"[+-][0-9]{2}(?::?[0-9]{2}){0,2}"
    if piece not in _READERS:
        raise Refusal(f"reading times by {piece!r} is not supported")
    return _READERS[piece]


def _assemble(parts: dict[str, str]) -> dt.datetime:
    year = int(parts.get("year", 0) or 0)
    if "short_year" in parts:
        year = int(parts["short_year"]) + (1900 if int(parts["short_year"]) >= 69 else 2000)
    month = int(parts.get("month", 1))
    if "month_name" in parts:
        month = 1 + [name[:3] for name in _MONTHS].index(parts["month_name"][:3].title())
    second, _, fraction = parts.get("second", "0").replace(",", ".").partition(".")
    fraction = fraction or parts.get("fraction", "").lstrip(".,")
    return dt.datetime(
        year or 1,
        month,
        int(parts.get("day", "1")),
        _hour(parts),
        int(parts.get("minute", "0")),
        int(second),
        int((fraction + "000000")[:6]),
        tzinfo=_zone(parts.get("offset", "Z")),
    )


def _hour(parts: dict[str, str]) -> int:
    if "hour12" not in parts:
        return int(parts.get("hour", "0"))
    hour = int(parts["hour12"])
    return hour % 12 + (12 if parts.get("half", "am").lower() == "pm" else 0)


def _zone(offset: str) -> dt.tzinfo:
    if offset == "Z":
        return dt.UTC
    digits = offset[1:].replace(":", "").ljust(6, "0")
    total = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:]))
    return dt.UTC if not total else dt.timezone(-total if offset[0] == "-" else total, "")
