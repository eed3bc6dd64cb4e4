"""Helm's own functions (engine.go, funcs.go) and those of sprig that choose, test types or stop."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from executor.templating.errors import Refusal
from executor.templating.functions.registry import Table
from executor.templating.values import Value, adopt, is_true, kind, type_name

if TYPE_CHECKING:
    pass

FLOW = Table()

FLOW.add("include", "string any", lambda run, name, data: run.include(name, data, "include"), wants_run=True)
FLOW.add("tpl", "string any", lambda run, text, data: run.tpl(text, data), wants_run=True)
FLOW.add("lookup", "string string string string", lambda run, *of: adopt(run.lookup(*of), floats=False), wants_run=True)
FLOW.add("empty", "any", lambda value: not is_true(value))
FLOW.add("ternary", "any any bool", lambda yes, no, truth: yes if truth else no)
FLOW.add("typeOf", "any", type_name)
FLOW.add("typeIs", "string any", lambda wanted, value: type_name(value) == wanted)
FLOW.add("typeIsLike", "string any", lambda wanted, value: type_name(value) in (wanted, "*" + wanted))
FLOW.add("kindOf", "any", kind)
FLOW.add("kindIs", "string any", lambda wanted, value: kind(value) == wanted)
FLOW.add("uuidv4", "", lambda: str(uuid.uuid4()))
FLOW.add("getHostByName", "string", lambda _: "")


@FLOW.function("default", "any ...any")
def default(fallback: Value, *given: Value) -> Value:
    """The first given value, or the fallback where that is empty or none is given."""
    return given[0] if given and is_true(given[0]) else fallback


@FLOW.function("fail", "string")
def fail(message: str) -> Value:
    raise Refusal(f"error calling fail: {message}", "The template's author asks for this to be changed.")


@FLOW.function("required", "string any")
def required(message: str, value: Value) -> Value:
    if value is None or value == "":
        raise Refusal(f"error calling required: {message}", "Set this value in a values file.")
    return value


def _refused(name: str, why: str) -> None:
    def refuse(*_: Value) -> Value:
        raise Refusal(f"{name} is not available here: {why}")

    FLOW.add(name, "...any", refuse)


_KEYS = "it makes a new secret at every rendering; make it once, keep it in a Kubernetes Secret and refer to that"
for _name in [
    "genPrivateKey",
    "genCA",
    "genCAWithKey",
    "genSelfSignedCert",
    "genSelfSignedCertWithKey",
    "genSignedCert",
    "genSignedCertWithKey",
    "buildCustomCert",
    "derivePassword",
    "bcrypt",
    "htpasswd",
    "encryptAES",
    "decryptAES",
]:
    _refused(_name, _KEYS)
_refused("randBytes", _KEYS)
