"""Paths and URLs: Go's packages path and net/url, as sprig offers them."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from executor.templating.errors import Refusal
from executor.templating.functions.registry import Table
from executor.templating.values import Value, type_name

PATHS = Table()


def clean(path: str) -> str:
    """path.Clean."""
    rooted = path.startswith("/")
    kept: list[str] = []
    for part in path.split("/"):
        if part == ".." and kept and kept[-1] != "..":
            kept.pop()
        elif (part == ".." and not rooted) or part not in ("", ".", ".."):
            kept.append(part)
    joined = "/".join(kept)
    return "/" + joined if rooted else joined or "."


def base(path: str) -> str:
    """path.Base."""
    if not path:
        return "."
    return path.rstrip("/").rpartition("/")[2] or "/"


def extension(path: str) -> str:
    """path.Ext."""
    name = path.rpartition("/")[2]
    return name[name.rindex(".") :] if "." in name else ""


PATHS.add("base osBase", "string", base)
PATHS.add("dir osDir", "string", lambda path: clean(path.rpartition("/")[0] + ("/" if "/" in path else "")))
PATHS.add("clean osClean", "string", clean)
PATHS.add("ext osExt", "string", extension)
PATHS.add("isAbs osIsAbs", "string", lambda path: path.startswith("/"))


# URLs

_URL = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?(?:(?P<slashes>//)(?P<authority>[^/?#]*))?"
    r"(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?",
    re.DOTALL,
)


@PATHS.function("urlParse", "string")
def url_parse(text: str) -> dict[str, Value]:
    """The parts of a URL, as url.Parse finds them."""
    match = _URL.fullmatch(text)
    if match is None:
        raise Refusal(f'unable to parse url: parse "{text}": invalid URL')
    _refuse_bad_url(text, match["authority"] or "")
    userinfo, _, host = (match["authority"] or "").rpartition("@")
    scheme, path = (match["scheme"] or "").lower(), match["path"]
    is_opaque = bool(scheme and not match["slashes"] and path and not path.startswith("/"))
    return {
        "scheme": scheme,
        "host": host,
        "hostname": _hostname(host),
        "path": "" if is_opaque else unquote(path),
        "query": match["query"] or "",
        "opaque": path if is_opaque else "",
        "fragment": unquote(match["fragment"] or ""),
        "userinfo": userinfo,
    }


def _refuse_bad_url(text: str, authority: str) -> None:
    escape = re.search(r"%(?![0-9A-Fa-f]{2})", text)
    why = ""
    if escape:
        why = f'invalid URL escape "{text[escape.start() :][:3]}"'
    elif re.search(r"[\x00-\x1f\x7f]", text):
        why = "net/url: invalid control character in URL"
    elif re.search(r"[\x00-\x20<>\"]|:(?![0-9]*$)", _host(authority)):
        why = "invalid character or port in host name"
    elif text.startswith(":"):
        why = "missing protocol scheme"
    if why:
        raise Refusal(f'unable to parse url: parse "{text}": {why}')


def _host(authority: str) -> str:
    return re.sub(r"^\[[^\]]*\]", "", authority.rpartition("@")[2])


def _hostname(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


@PATHS.function("urlJoin", "map")
def url_join(parts: dict[str, Value] | None) -> str:
    """url.URL.String of the parts urlParse gives."""
    part = {
        key: _text(parts or {}, key) for key in ["scheme", "host", "path", "query", "opaque", "fragment", "userinfo"]
    }
    text = part["scheme"] + ":" if part["scheme"] else ""
    if part["opaque"]:
        text += part["opaque"]
    else:
        if part["scheme"] or part["host"] or part["userinfo"]:
            text += "//" if part["host"] or part["path"] or part["userinfo"] else ""
            text += (part["userinfo"] + "@" if part["userinfo"] else "") + part["host"]
        path = quote(part["path"], safe="/:@&=+$,;~!*'()")
        text += ("/" if path and not path.startswith("/") and part["host"] else "") + path
    text += "?" + part["query"] if part["query"] else ""
    return text + ("#" + quote(part["fragment"], safe="/:@&=+$,;~!*'()?") if part["fragment"] else "")


def _text(parts: dict[str, Value], key: str) -> str:
    value = parts.get(key, "")
    if not isinstance(value, str):
        raise Refusal(f"unable to parse {key} key, must be of type string, but {type_name(value)} found")
    return value
