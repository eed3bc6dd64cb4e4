"""DAGs of container tasks; copied into a real Airflow by the tests."""

from datetime import timedelta

from airflow.sdk import Asset, dag

from executor.operators import PodOperator

SH = ["/bin/sh", "-c"]
QUICK = {"image": "any", "termination_grace_period": 1}
OUT = "/airflow/xcom/return.json"
MANY = 9
POOLED = 4
#: A pod that goes on until the test says so.
GATED = {
    "volumes": [{"name": "gates", "hostPath": {"path": "{{ dag_run.conf['gates'] }}"}}],
    "volume_mounts": [{"name": "gates", "mountPath": "/gates"}],
}
AT_THE_GATE = "until [ -e /gates/open ]; do sleep 0.2; done"
FIRST_TRY = "[ {{ ti.try_number }} = 1 ]"


def shell(task_id, script, **given):
    return PodOperator(task_id=task_id, cmds=SH, arguments=[script], **{**QUICK, **given})


class Told:
    """The provider's callbacks, each of which says that it was called."""

    on_sync_client_creation = staticmethod(lambda **given: print("told client"))
    on_pod_manifest_created = staticmethod(lambda pod_request, **given: print("told manifest", pod_request.kind))
    on_pod_creation = staticmethod(lambda pod, **given: print("told creation", pod.metadata.name))
    on_pod_starting = staticmethod(lambda pod, **given: print("told starting"))
    on_pod_completion = staticmethod(lambda pod, **given: print("told completion"))
    on_pod_teardown = staticmethod(lambda pod, **given: print("told teardown"))
    on_pod_cleanup = staticmethod(lambda pod, **given: print("told cleanup"))
    progress_callback = staticmethod(lambda line, container_name, **given: print("told", container_name, line))


@dag(schedule=None)
def results():
    give = shell(
        "give",
        f'echo working; echo \'{{"a": [1, 2], "b": "$(id)"}}\' > {OUT}; printf unfinished',
        do_xcom_push=True,
        env_vars={"NAME_TO_GREET": "{{ run_id }}"},
    )
    give >> shell("take", 'test "$GIVEN" = 2', env_vars={"GIVEN": "{{ ti.xcom_pull(task_ids='give')['a'][1] }}"})
    shell(
        "megabyte",
        f'python3 -c "import json; print(json.dumps(list(range(160000))))" > {OUT}',
        do_xcom_push=True,
    )
    PodOperator(task_id="entry", do_xcom_push=True, **{**QUICK, "image": "entry/point:1"})
    PodOperator(
        task_id="shell_less",
        cmds=["/opt/bin/python3", "-c", f"open('{OUT}', 'w').write('[3]')"],
        do_xcom_push=True,
        **{**QUICK, "image": "shell/less:1"},
    )
    give >> shell(
        "after", 'test "$LIST" = "[1, 2]"', env_vars=[{"name": "LIST", "value": "{{ ti.xcom_pull('give').a }}"}]
    )


@dag(schedule=None)
def endings():
    shell("fails", "echo my last words; exit 3")
    shell("skips", "exit 7", skip_on_exit_code=7)
    shell("missing", "true", do_xcom_push=True)
    shell("empty", f": > {OUT}", do_xcom_push=True)
    shell("no_json", f"echo '{{' > {OUT}", do_xcom_push=True)
    shell("oversized", f"head -c 9000000 /dev/zero | tr '\\0' 1 > {OUT}", do_xcom_push=True)
    shell("failed_result", f"echo 1 > {OUT}; exit 1", do_xcom_push=True)
    shell(
        "hungry",
        "python3 -c \"import time; x = b'1' * (200 * 2**20); time.sleep(60)\"",
        container_resources={"limits": {"memory": "64Mi"}},
    )
    PodOperator(task_id="no_image", **{**QUICK, "image": "missing/image:1"})
    PodOperator(task_id="no_program", cmds=["/no/such/program"], **QUICK)
    shell("no_template", "echo {{ no_such_name }}")


@dag(schedule=None)
def mapped():
    both = PodOperator.partial(task_id="both", cmds=SH, arguments=[f"echo $N > {OUT}"], do_xcom_push=True, **QUICK)
    numbers = both.expand(env_vars=[{"N": "1"}, {"N": "2"}], tolerations=[[{"key": "a"}], [{"key": "b"}]])
    numbers >> shell("gather", 'test "$ALL" = "[1, 1, 2, 2]"', env_vars={"ALL": "{{ ti.xcom_pull(task_ids='both') }}"})
    lists = shell("lists", f'echo \'[{{"N": "3"}}, {{"N": "4"}}]\' > {OUT}', do_xcom_push=True)
    over = PodOperator.partial(task_id="over", cmds=SH, arguments=["echo N is $N"], **QUICK)
    over.expand(env_vars=lists.output)


@dag(schedule=None, default_args={"retries": 1, "retry_delay": timedelta(seconds=1)})
def retried():
    shell("again", f"echo '\"try {{{{ ti.try_number }}}}\"' > {OUT}; {FIRST_TRY} && exit 1; exit 0", do_xcom_push=True)


@dag(schedule=None)
def forgotten():
    shell("twice", f"{FIRST_TRY} && echo '{{\"old\": 1}}' > {OUT} && exit 0; exit 1", do_xcom_push=True)


@dag(schedule=None)
def interrupted():
    for phase, given in {"running": {}, "pending": {"node_selector": {"nowhere": "yes"}}}.items():
        for action in ("clear", "success", "failed"):
            shell(f"{phase}_{action}", f"{FIRST_TRY} && exec sleep 3000; exit 0", **given)
        shell(f"{phase}_timeout", "exec sleep 3000", execution_timeout=timedelta(seconds=9), **given)


@dag(schedule=None)
def worker_path():
    shell(
        "outlet",
        f"echo said; echo 5 > {OUT}",
        do_xcom_push=True,
        outlets=[Asset("made")],
        callbacks=Told,
        progress_callback=lambda line: print("progress", line),
        log_formatter=lambda container, line: f"{container} says {line}",
    )


@dag(schedule=None)
def many():
    PodOperator.partial(task_id="one", cmds=SH, **GATED, **QUICK).expand(arguments=[[AT_THE_GATE]] * MANY)


@dag(schedule=None)
def pooled():
    PodOperator.partial(task_id="one", cmds=SH, pool="three", **QUICK).expand(arguments=[["sleep 1"]] * POOLED)


@dag(schedule=None)
def long():
    shell("gated", f"echo closed; {AT_THE_GATE}; echo opened", **GATED)


for made in (results, endings, mapped, retried, forgotten, interrupted, worker_path, many, pooled, long):
    made()
