"""Errors of this package.

ValueError
  + ManifestError   what a DAG author or an administrator has to change; its text is one sentence
  + MergeError      a patch that cannot be applied; knows the field, not the layer
"""

from __future__ import annotations


class ManifestError(ValueError):
    """A pod cannot be built from what was given.

    `layer` names the source (`pod_override`, `podTemplate <file>` ...), `path` the place in it (a field path with list
    elements by name, or line and column of a YAML text; may be empty), `problem` what is wrong, `advice` what to do.
    `position` is line and column, from 1, where the error is one of a YAML text.
    """

    def __init__(
        self, layer: str, path: str, problem: str, advice: str, position: tuple[int, int] | None = None
    ) -> None:
        super().__init__(layer, path, problem, advice)
        self.position = position
        self.layer = layer
        self.path = path
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        what = f"{self.path} {self.problem}" if self.path else self.problem
        return f"{self.layer}: {what}; {self.advice}"


class MergeError(ValueError):
    """A strategic merge patch that is not one, with the field path it was found at."""

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(problem, path)
        self.problem = problem
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem

    def inside(self, step: str) -> MergeError:
        """Return the same error seen from one level further up."""
        joined = f"{step}.{self.path}" if self.path and not self.path.startswith("[") else step + self.path
        return MergeError(self.problem, joined)
