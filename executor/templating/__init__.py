"""Go templates with Helm's functions, in pure Python: Helm's text from a chart's pod template, without Helm.

`render` for one text, `Template` for one that is rendered often, `load_values` for values files; TemplateError is what
they raise for a fault of the text. Faithful to Helm 3.21, but for integers, which stay integers unless `helm_numbers`
is set. Nothing here reads a file or talks to anything; `now`, `uuidv4` and the `rand` functions read clock and chance.
Excluded: certificates and keys, `.Files`, complex numbers, channels and functions as values.
"""

from __future__ import annotations

from executor.templating.errors import TemplateError
from executor.templating.program import Template, render
from executor.templating.run import Missing
from executor.templating.values_files import load_values

__all__ = ["Missing", "Template", "TemplateError", "load_values", "render"]
