"""Every function a template may call, by name.

Excluded on purpose: `env` and `expandenv` (Helm has none either: they are unknown), anything that makes keys or
certificates (known, and refused with advice), DNS (`getHostByName` gives "", as Helm does unless told otherwise).
"""

from __future__ import annotations

from collections.abc import Mapping

from executor.templating.arguments import Function
from executor.templating.functions.builtins import BUILTINS
from executor.templating.functions.dates import DATES
from executor.templating.functions.dicts import DICTS
from executor.templating.functions.encodings import ENCODINGS
from executor.templating.functions.flow import FLOW
from executor.templating.functions.lists import LISTS
from executor.templating.functions.numbers import NUMBERS
from executor.templating.functions.paths import PATHS
from executor.templating.functions.patterns import PATTERNS
from executor.templating.functions.texts import TEXTS
from executor.templating.functions.versions import VERSIONS
from executor.templating.functions.words import WORDS

FUNCTIONS: Mapping[str, Function] = {
    **BUILTINS,
    **DATES,
    **DICTS,
    **ENCODINGS,
    **FLOW,
    **LISTS,
    **NUMBERS,
    **PATHS,
    **PATTERNS,
    **TEXTS,
    **VERSIONS,
    **WORDS,
}
