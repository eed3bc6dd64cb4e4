"""The whole table, which rows share a task in CI, and its text in the README.

python -m tests.operators.kpo.table README.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from tests.operators.kpo import cluster_rows, container_rows, course_rows, ending_rows, example_rows, pod_rows
from tests.operators.kpo.row import Row

BEGIN, END = "<!-- kpo: begin -->", "<!-- kpo: end -->"
NAMES = Path(__file__).parents[2] / "cases" / "kpo_parameters.txt"

_PARAMETERS = (*container_rows.ROWS, *pod_rows.ROWS, *cluster_rows.ROWS, *ending_rows.ROWS, *course_rows.ROWS)
PARAMETERS = {row.name: row for row in _PARAMETERS}
BEHAVIOURS = {row.name: row for row in (*pod_rows.BEHAVIOURS, *ending_rows.BEHAVIOURS, *course_rows.BEHAVIOURS)}
EXAMPLES = {row.name: row for row in (*example_rows.ROWS, *cluster_rows.EXAMPLES)}
ROWS = {**PARAMETERS, **BEHAVIOURS, **EXAMPLES}

#: The tasks of CI, by name: rows that go together.
SHARED: dict[str, tuple[str, ...]] = {
    "wide": (
        *("image", "cmds", "arguments", "env_vars", "env_from", "configmaps", "secrets", "volumes", "volume_mounts"),
        *("init_containers", "pod_runtime_info_envs", "container_resources", "container_security_context"),
        *("image_pull_policy", "full_pod_spec", "container_logs", "pod_template_file", "in_cluster", "callbacks"),
        *("name", "namespace", "labels", "annotations", "priority_class_name", "service_account_name"),
        *("node_selector", "affinity", "tolerations", "ports", "hostname", "host_aliases", "subdomain", "hostnetwork"),
        *("dnspolicy", "dns_config"),
        *("build_pod_request_obj", "execute", "process_pod_deletion", "node constraints"),
        "post_complete_action, cleanup",
    ),
    "failing": (
        *("task-level resources", "termination_message_policy", "active_deadline_seconds", "log_events_on_failure"),
        *("log_pod_spec_on_failure", "on_finish_action", "patch_already_checked"),
    ),
    "never_starts": (
        *("startup_timeout_seconds", "startup_check_interval_seconds", "security_context"),
        *("config_file", "cluster_context"),
    ),
    "no_login": ("a private registry, without the pull secret",),
    "private": (
        *("image_pull_secrets", "skip_on_exit_code", "random_name_suffix", "get_logs", "is_delete_operator_pod"),
        "schedulername",
    ),
    "elsewhere": (
        *("logging_interval", "trigger_reentry", "kubernetes_conn_id", "deferrable", "poll_interval"),
        *("base_container_name", "do_xcom_push", "progress_callback", "pod_template_dict", "extract_xcom"),
    ),
    "stopped": ("reattach_on_restart", "termination_grace_period", "find_pod, get_or_create_pod", "on_kill"),
    "extract": ("@task.kubernetes",),
    "transform": ("the ETL pipeline",),
    "load": ("@task.kubernetes_cmd", "a program that is not Python", "is_istio_enabled"),
    "no_rights": ("a namespace without rights",),
}


def parameter_names() -> list[str]:
    """The parameters of the signature that users know, in its order."""
    return NAMES.read_text().split()


def text() -> str:
    """The README's tables."""
    names = parameter_names()
    parameters = sorted(PARAMETERS.values(), key=lambda row: names.index(row.name))
    sections = {"Parameter": parameters, "Behaviour": BEHAVIOURS.values(), "Example": EXAMPLES.values()}
    return "\n\n".join(_table(title, rows) for title, rows in sections.items())


def _table(title: str, rows: Iterable[Row]) -> str:
    lines = [f"| {title} | What is seen |", "|---|---|"]
    lines += [f"| {_shown(row.name)} | {row.says}{' (spec only)' if row.spec_only else ''} |" for row in rows]
    return "\n".join(lines)


def _shown(name: str) -> str:
    words = name.split(", ")
    return ", ".join(word if " " in word else f"`{word}`" for word in words)


def main(readme: str) -> None:
    """Write the tables between their marks."""
    path = Path(readme)
    before, rest = path.read_text().split(BEGIN)
    path.write_text(f"{before}{BEGIN}\n{text()}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main(sys.argv[1])
