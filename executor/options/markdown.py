"""The tables of options in the README."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from executor.options import NOT_NEEDED, OWN_SECTION, UPSTREAM_SECTION, OwnOptions, UpstreamOptions, options_of
from executor.options.option import Kind, Option

_UNITS = {Kind.SECONDS: " s"}


def options_markdown() -> str:
    """Every option of both sections, and upstream's options that are not needed any more, as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield f"### `[{OWN_SECTION}]`\n"
    yield from _table(("Option", "Default", "What it does"), map(_used, options_of(OwnOptions)))
    yield f"\n### `[{UPSTREAM_SECTION}]`\n"
    yield "Airflow's own names. An option counts only where you set it; its default is ours, not that provider's. In"
    yield "an `airflow.cfg` that Airflow made of all defaults at its first start, what equals the default is not set.\n"
    yield from _table(("Option", "Default", "What it does"), map(_used, options_of(UpstreamOptions)))
    yield "\nNot needed any more; the scheduler's log names each once where you set it:\n"
    yield from _table(("Option", "Why"), ((f"`{one.name}`", _cell(one.why)) for one in NOT_NEEDED))


def _used(option: Option) -> tuple[str, str, str]:
    default = f"`{option.default_text}`{_UNITS.get(option.kind, '')}" if option.default_text else ""
    return f"`{option.name}`", default, _cell(option.documentation)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
