"""fmt.Sprintf: verbs, flags, widths, argument indexes, and what Go prints where they do not fit."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from executor.templating import printing
from executor.templating.errors import Refusal
from executor.templating.limits import MAX_OUTPUT, measure, too_long
from executor.templating.values import Struct, Value, is_integer, type_name, utf8

MAX_WIDTH = 1_000_000  # Go's own bound
_DIRECTIVE = re.compile(
    r"%(?P<flags>[-+# 0]*)(?P<widthat>\[[^\]]*\])?(?P<width>\*|[0-9]{1,8})?"
    r"(?:(?P<point>\.)(?P<precat>\[[^\]]*\])?(?P<prec>\*|[0-9]{1,8})?)?(?P<at>\[[^\]]*\])?(?P<verb>.)?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Format:
    """One directive's flags."""

    verb: str
    plus: bool = False
    minus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    width: int | None = None
    precision: int | None = None


class _Arguments:
    """The operands, taken one after the other or by `[n]`."""

    def __init__(self, values: Sequence[Value]) -> None:
        self._values = values
        self._next = 0
        self.reordered = False
        self.room = MAX_OUTPUT
        self.bad_index = False

    def seek(self, index: str | None) -> None:
        if index is None:
            return
        self.reordered = True
        number = index[1:-1]
        if number.isascii() and number.isdigit() and 1 <= int(number) <= len(self._values):
            self._next = int(number) - 1
        else:
            self.bad_index = True

    def take(self) -> tuple[bool, Value]:
        if self._next >= len(self._values):
            return False, None
        self._next += 1
        return True, self._values[self._next - 1]

    def fitting(self, text: str) -> str:
        """The text, or Refusal if all of them together are longer than a result may be."""
        self.room -= len(text)
        if self.room < 0:
            raise too_long()
        return text

    def rest(self) -> Sequence[Value]:
        return () if self.reordered else self._values[self._next :]


def sprintf(form: str, values: Sequence[Value]) -> str:
    """The text fmt.Sprintf makes. Raises Refusal for values too large to print."""
    for value in values:
        measure(value)
    arguments = _Arguments(values)
    text = _DIRECTIVE.sub(lambda match: arguments.fitting(_directive(match, arguments)), form)
    rest = arguments.rest()
    if rest:
        shown = ", ".join("<nil>" if one is None else f"{type_name(one)}={printing.show(one)}" for one in rest)
        text += f"%!(EXTRA {shown})"
    return text


def _directive(match: re.Match[str], arguments: _Arguments) -> str:
    flags = match["flags"]
    arguments.bad_index = False
    arguments.seek(match["widthat"])
    width, problem = _number(match["width"], arguments, "%!(BADWIDTH)")
    precision: int | None = None
    if match["point"]:
        arguments.seek(match["precat"])
        precision, bad = _number(match["prec"] or "0", arguments, "%!(BADPREC)")
        problem += bad
        precision = None if precision is not None and precision < 0 else precision
    arguments.seek(match["at"])
    minus = "-" in flags or (width is not None and width < 0)
    verb = match["verb"]
    if verb is None:
        return problem + "%!(NOVERB)"
    if verb == "%":
        return problem + "%"
    if arguments.bad_index:
        return f"{problem}%!{verb}(BADINDEX)"
    found, value = arguments.take()
    if not found:
        return f"{problem}%!{verb}(MISSING)"
    fmt = Format(
        verb,
        plus="+" in flags,
        minus=minus,
        sharp="#" in flags,
        space=" " in flags,
        zero="0" in flags and not minus,
        width=abs(width) if width is not None else None,
        precision=precision,
    )
    return problem + _format(fmt, value)


def _number(text: str | None, arguments: _Arguments, bad: str) -> tuple[int | None, str]:
    if text is None:
        return None, ""
    if text != "*":
        return (int(text), "") if int(text) <= MAX_WIDTH else (None, bad)
    found, value = arguments.take()
    if found and is_integer(value) and abs(value) <= MAX_WIDTH:
        return int(value), ""
    return None, bad


def pad(fmt: Format, text: str, zero: bool = False) -> str:
    """Fill up to the width, which counts characters."""
    if fmt.width is None or len(text) >= fmt.width:
        return text
    if fmt.minus:
        return text.ljust(fmt.width)
    return text.rjust(fmt.width, "0" if zero else " ")


def _format(fmt: Format, value: Value) -> str:
    if fmt.verb == "T":
        return pad(fmt, type_name(value))
    if value is None:
        return pad(fmt, "<nil>") if fmt.verb == "v" else f"%!{fmt.verb}(<nil>)"
    if fmt.verb == "v":
        fmt = replace(fmt, plus=False)
    if isinstance(value, list):
        return _list(fmt, value)
    if isinstance(value, dict):
        return _map(fmt, value)
    text = _scalar(fmt, value)
    return f"%!{fmt.verb}({type_name(value)}={_scalar(replace(fmt, verb='v'), value)})" if text is None else text


def _inner(fmt: Format, value: Value) -> str:
    """An element of a list or map."""
    if value is None:
        return "interface {}(nil)" if fmt.sharp and fmt.verb == "v" else "<nil>"
    return _format(fmt, value)


def _list(fmt: Format, value: list[Value]) -> str:
    if fmt.verb == "p":
        raise Refusal("printf %p has no meaning here")
    if fmt.verb == "v" and fmt.sharp:
        return f"{type_name(value)}{{" + ", ".join(_inner(fmt, item) for item in value) + "}"
    return "[" + " ".join(_inner(fmt, item) for item in value) + "]"


def _map(fmt: Format, value: dict[str, Value]) -> str:
    items = ((key, value[key]) for key in printing.sorted_keys(value))
    if fmt.verb == "v" and fmt.sharp:
        return f"{type_name(value)}{{" + ", ".join(f"{_inner(fmt, k)}:{_inner(fmt, v)}" for k, v in items) + "}"
    return "map[" + " ".join(f"{_inner(fmt, key)}:{_inner(fmt, item)}" for key, item in items) + "]"


def _scalar(fmt: Format, value: Value) -> str | None:
    """None where the verb does not fit the value."""
    if isinstance(value, bool):
        return pad(fmt, printing.show(value)) if fmt.verb in "vt" else None
    if isinstance(value, str):
        return _string(fmt, value)
    if is_integer(value):
        return _integer(fmt, value)
    if isinstance(value, float):
        return _float(fmt, value)
    if isinstance(value, Struct) and fmt.verb in "vsq":
        return _string(fmt, printing.show(value))
    return None


def _string(fmt: Format, value: str) -> str | None:
    if fmt.verb in "vsq":
        text = value if fmt.precision is None else value[: fmt.precision]
        if fmt.verb == "q" or (fmt.verb == "v" and fmt.sharp):
            if fmt.sharp and fmt.verb == "q" and "`" not in text and text.isprintable():
                return pad(fmt, f"`{text}`", fmt.zero)
            return pad(fmt, printing.quote_ascii(text) if fmt.plus else printing.quote(text), fmt.zero)
        return pad(fmt, text, fmt.zero)
    if fmt.verb in "xX":
        data = utf8(value) if fmt.precision is None else utf8(value)[: fmt.precision]
        text = data.hex(" ") if fmt.space else data.hex()
        if fmt.sharp and data:
            text = text.replace(" ", " 0x") if fmt.space else text
            text = "0x" + text
        return pad(fmt, text.upper() if fmt.verb == "X" else text, fmt.zero)
    return None


_BASES: dict[str, tuple[str, str]] = {
    "v": ("d", ""),
    "d": ("d", ""),
    "b": ("b", "0b"),
    "o": ("o", "0"),
    "O": ("o", ""),
    "x": ("x", "0x"),
    "X": ("X", "0X"),
}


def _integer(fmt: Format, value: int) -> str | None:
    if fmt.verb in _BASES:
        return _digits(fmt, value)
    if fmt.verb == "c":
        return pad(fmt, chr(value) if 0 <= value <= 0x10FFFF and not 0xD800 <= value < 0xE000 else "�")
    if fmt.verb == "q":
        return pad(fmt, printing.quote_rune(value))
    if fmt.verb == "U":
        shown = f" '{chr(value)}'" if fmt.sharp and 0 <= value <= 0x10FFFF and printing.is_print(chr(value)) else ""
        return pad(fmt, f"U+{value:04X}{shown}")
    return None


def _digits(fmt: Format, value: int) -> str:
    base, prefix = _BASES[fmt.verb]
    digits = format(abs(int(value)), base)
    if fmt.precision is not None:
        digits = "" if fmt.precision == 0 and value == 0 else digits.rjust(fmt.precision, "0")
    lead = "0o" if fmt.verb == "O" else prefix if fmt.sharp else ""
    sign = "-" if value < 0 else "+" if fmt.plus else " " if fmt.space else ""
    if fmt.zero and fmt.width is not None and fmt.precision is None:
        digits = digits.rjust(fmt.width - len(sign), "0")
    return pad(fmt, sign + lead + digits)


def _float(fmt: Format, value: float) -> str | None:
    make = _FLOATS.get(fmt.verb)
    if make is None:
        return None
    if not math.isfinite(value):
        text = {"+Inf": "Inf"}.get(printing.float_text(value), printing.float_text(value).lstrip("-"))
    else:
        text = make(abs(value), fmt.precision)
    negative = math.copysign(1, value) < 0 and not math.isnan(value)
    sign = "-" if negative else "+" if fmt.plus or (math.isinf(value) and fmt.verb == "v") else ""
    sign = " " if not sign and fmt.space else sign
    if fmt.zero and fmt.width is not None and math.isfinite(value):
        return sign + text.rjust(fmt.width - len(sign), "0")
    return pad(fmt, sign + text)


def _general(value: float, precision: int | None) -> str:
    if precision is None:
        return printing.float_text(value)
    return format(value, f".{min(precision, 1000)}g")


def _fixed(value: float, precision: int | None) -> str:
    places = 6 if precision is None else min(precision, 1000)
    return format(value, f".{places}f")


def _exponent(value: float, precision: int | None) -> str:
    return format(value, f".{6 if precision is None else min(precision, 1000)}e")


def _hexadecimal(value: float, precision: int | None) -> str:
    """`0x1.8p+00`; a precision is not heeded."""
    mantissa, _, exponent = value.hex().partition("p")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{'0x0' if not value else mantissa}p{exponent[0]}{int(exponent[1:]):02d}"


_FLOATS: dict[str, Callable[[float, int | None], str]] = {
    "v": _general,
    "g": _general,
    "G": lambda value, precision: _general(value, precision).upper(),
    "f": _fixed,
    "F": _fixed,
    "x": _hexadecimal,
    "X": lambda value, precision: _hexadecimal(value, precision).upper(),
    "e": _exponent,
    "E": lambda value, precision: _exponent(value, precision).upper(),
}
