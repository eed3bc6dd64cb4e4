"""Dates, after sprig's date.go. `now` reads the clock: what uses it changes with every rendering.

The zone is UTC unless one is named.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo

from executor.templating.errors import Refusal
from executor.templating.functions import durations
from executor.templating.functions.layouts import format_time, parse_time
from executor.templating.functions.registry import Table
from executor.templating.values import Int64, Methods, Struct, Value, is_integer

DATES = Table()
_UTC = dt.UTC
_RFC3339 = "2006-01-02T15:04:05.999999999Z07:00"


def as_struct(moment: dt.datetime) -> Struct:
    """A time.Time."""
    methods: Methods = {
        "Format": (("string",), lambda layout: format_time(layout, moment)),
        "Unix": ((), lambda: Int64(moment.timestamp() // 1)),
        "UnixNano": ((), lambda: Int64(_nanoseconds(moment))),
        "Year": ((), lambda: moment.year),
        "Month": ((), lambda: Struct("time.Month", {}, shown=moment.strftime("%B"))),
        "Day": ((), lambda: moment.day),
        "Hour": ((), lambda: moment.hour),
        "Minute": ((), lambda: moment.minute),
        "Second": ((), lambda: moment.second),
        "YearDay": ((), lambda: moment.timetuple().tm_yday),
        "Weekday": ((), lambda: Struct("time.Weekday", {}, shown=moment.strftime("%A"))),
        "String": ((), lambda: format_time("2006-01-02 15:04:05.999999999 -0700 MST", moment)),
        "UTC": ((), lambda: as_struct(moment.astimezone(_UTC))),
    }
    shown = format_time("2006-01-02 15:04:05.999999999 -0700 MST", moment)
    return Struct("time.Time", {}, methods, shown=shown, text=format_time(_RFC3339, moment), hidden=moment)


def _nanoseconds(moment: dt.datetime) -> int:
    since = moment - dt.datetime(1970, 1, 1, tzinfo=_UTC)
    return (since.days * 86400 + since.seconds) * 10**9 + since.microseconds * 1000


def moment_of(value: Value) -> dt.datetime:
    """A time as sprig's date functions read it: a time, or whole seconds since 1970; anything else is now."""
    if isinstance(value, Struct) and isinstance(value.hidden, dt.datetime):
        return value.hidden
    if is_integer(value):
        return _from_unix(int(value))
    return dt.datetime.now(_UTC)


def _from_unix(seconds: int) -> dt.datetime:
    try:
        return dt.datetime.fromtimestamp(seconds, _UTC)
    except (OverflowError, ValueError, OSError):
        raise Refusal(f"{seconds} seconds since 1970 is not in the years 1 to 9999") from None


def _zone(name: str) -> dt.tzinfo:
    """A zone by name; UTC for one that is not known, as sprig does."""
    if name in ("", "UTC", "Local"):
        return _UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return _UTC


def _in_zone(layout: str, value: Value, zone: str) -> str:
    return format_time(layout, moment_of(value).astimezone(_zone(zone)))


DATES.add("now", "", lambda: as_struct(dt.datetime.now(_UTC)))
DATES.add("date", "string any", lambda layout, value: _in_zone(layout, value, "Local"))
DATES.add("dateInZone date_in_zone", "string any string", _in_zone)
DATES.add("htmlDate", "any", lambda value: _in_zone("2006-01-02", value, "Local"))
DATES.add("htmlDateInZone", "any string", lambda value, zone: _in_zone("2006-01-02", value, zone))
DATES.add("unixEpoch", "time", lambda value: str(int(moment_of(value).timestamp() // 1)))


@DATES.function("toDate", "string string")
def to_date(layout: str, text: str) -> Struct:
    """The time, or for a text that is none the zero time, as sprig has it."""
    try:
        return as_struct(parse_time(layout, text))
    except Refusal:
        return as_struct(dt.datetime(1, 1, 1, tzinfo=_UTC))


DATES.add("mustToDate", "string string", lambda layout, text: as_struct(parse_time(layout, text)))


@DATES.function("mustDateModify must_date_modify", "string time")
def must_date_modify(change: str, value: Value) -> Struct:
    try:
        return as_struct(moment_of(value) + dt.timedelta(microseconds=durations.parse(change) // 1000))
    except OverflowError:
        raise Refusal(f"{change} from there is not in the years 1 to 9999") from None


@DATES.function("dateModify date_modify", "string time")
def date_modify(change: str, value: Value) -> Struct:
    try:
        return must_date_modify(change, value)
    except Refusal:
        return as_struct(moment_of(value))


@DATES.function("ago", "any")
def ago(value: Value) -> str:
    """How long ago, in whole seconds."""
    since = dt.datetime.now(_UTC) - moment_of(value)
    return durations.show(round(since.total_seconds()) * durations.SECOND)


@DATES.function("duration", "any")
def duration(seconds: Value) -> str:
    """Seconds as `1m35s`."""
    if isinstance(seconds, str) and seconds.lstrip("+-").isdigit() and len(seconds) < 18:
        return durations.show(int(seconds) * durations.SECOND)
    if isinstance(seconds, Int64):
        return durations.show(int(seconds) * durations.SECOND)
    return durations.show(0)


@DATES.function("durationRound", "any")
def duration_round(value: Value) -> str:
    """A duration as its largest unit: `2h`, `3d`, `1mo`, `1y`."""
    if isinstance(value, str):
        try:
            return durations.rounded(durations.parse(value))
        except Refusal:
            return durations.rounded(0)
    if isinstance(value, Int64):
        return durations.rounded(int(value))
    if isinstance(value, Struct) and isinstance(value.hidden, dt.datetime):
        return durations.rounded(_nanoseconds(dt.datetime.now(_UTC)) - _nanoseconds(moment_of(value)))
    return durations.rounded(0)
