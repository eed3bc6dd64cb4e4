"""`@task.pod`: what travels of a function, what is refused, and its program under this and the oldest Python."""

from __future__ import annotations

import ast
import datetime
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.sdk import DAG, Asset, XComArg, task
from airflow.sdk.definitions._internal.templater import Templater

from executor.operators import in_pod, pod_task
from executor.operators.carried import of_operator, unpack
from executor.operators.function_container import LIMIT, PIECE, VARIABLE, TooLargeError, in_container, without_payload
from executor.operators.manifest import Wanted, build
from executor.operators.plain import RefusedParameterError
from executor.operators.rendering import RenderingError, ready
from executor.operators.xcom import ResultReader
from tests.operators.test_choice import Ti, mapped, xcom
from tests.operators.world import identity

DAY = datetime.date(2026, 2, 28)
HERE = Path(__file__).name


@lru_cache(maxsize=1)
def oldest_python() -> str:
    """The path of a Python 3.8, '' where there is none."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for name in ("python3.8", *map(str, sorted(kept.glob("3.8.*/bin/python")))):
        try:
            asked = subprocess.run([name, "--version"], capture_output=True, text=True, check=False, timeout=30)
        except OSError:
            continue
        if asked.stdout.startswith("Python 3.8"):
            return name
    return ""


@pytest.fixture(params=["this Python", "Python 3.8"])
def python(request: pytest.FixtureRequest) -> str:
    """The interpreter in the image."""
    if request.param == "this Python":
        return sys.executable
    return oldest_python() or pytest.skip("no Python 3.8 on this machine; its syntax is checked in any case")


@dataclass(frozen=True)
class Ran:
    """How a function ended in its container."""

    code: int
    log: str
    errors: str
    reader: ResultReader

    @property
    def result(self) -> Any:
        return self.reader.value()


def operator(function: Callable[..., Any], *args: Any, given: dict[str, Any] | None = None, **kwargs: Any) -> Any:
    """The task of one call."""
    made: Any = pod_task(image="i", **(given or {}))(function)(*args, **kwargs)
    return made.operator


def run(function: Callable[..., Any], *args: Any, python: str = sys.executable, **more: Any) -> Ran:
    """The container of one call, as a process."""
    parameters = in_container(of_operator(operator(function, *args, **more)), identity())
    container = build(Wanted(identity(), parameters))["spec"]["containers"][0]
    env = {one["name"]: one["value"] for one in container["env"]}
    command = [python, *container["command"][1:]]
    ended = subprocess.run(command, env=env, cwd="/", capture_output=True, timeout=60, check=False)
    reader = ResultReader.of(build(Wanted(identity(), parameters))["metadata"]["name"])
    log = b"\n".join([*reader.feed(ended.stdout), *reader.end()])
    return Ran(ended.returncode, log.decode(), ended.stderr.decode(), reader)


def double(n: int, *, more: Undefined = None, name: str = "no") -> Missing:  # noqa: F821
    import os

    print("working on", name)
    text = """one
# not a comment
    three"""
    return {"n": n * 2, "more": more, "text": text, "left": [one for one in os.environ if "AIRFLOW" in one]}


def failing(n: int) -> None:
    try:
        {}["first"]
    except KeyError as error:
        raise ValueError(f"no {n}") from error


def test_the_source_runs_in_any_python_with_its_arguments(python: str) -> None:
    ran = run(double, 21, more=(1, {"a": [None, 1.5, True]}), name="wörld", python=python)
    assert (ran.code, ran.log, ran.errors) == (0, "working on wörld", "")
    assert ran.result == {
        "n": 42,
        "more": [1, {"a": [None, 1.5, True]}],
        "text": "one\n# not a comment\n    three",
        "left": [],
    }


def test_a_raise_is_shown_with_its_traceback_from_the_dag_file(python: str) -> None:
    ran = run(failing, 3, python=python)
    line = failing.__code__.co_firstlineno + 4
    assert ran.code == 1
    assert f'File "{HERE}", line {line}, in failing\n    raise ValueError(f"no {{n}}") from error' in ran.errors
    assert ran.errors.startswith("Traceback (most recent call last)")
    assert "KeyError: 'first'" in ran.errors
    assert ran.errors.endswith("ValueError: no 3\n")
    assert "task.pod" not in ran.errors
    assert not ran.reader.seen


def test_what_is_not_json_is_pickled_where_that_was_chosen(python: str) -> None:
    def later(day: Any, days: Any) -> Any:
        return [day.replace(year=2028), days, {"a": 1}]

    ran = run(later, DAY, [{3: 4}, (5, {6})], given={"serializer": "pickle"}, python=python)
    assert ran.code == 0, ran.errors
    assert in_pod.decoded(ran.result, "it") == [datetime.date(2028, 2, 28), [{3: 4}, (5, {6})], {"a": 1}]
    assert ran.result[2] == {"a": 1}


def test_the_program_has_the_syntax_of_the_oldest_python_and_nothing_but_its_library() -> None:
    tree = ast.parse(Path(in_pod.__file__).read_text(), feature_version=(3, 8))
    imports = [one for one in ast.walk(tree) if isinstance(one, ast.Import | ast.ImportFrom)]
    names = {getattr(one, "module", None) or one.names[0].name for one in imports}
    assert {name for name in names if name not in sys.stdlib_module_names} == set()
    variables = of_operator(operator(double, 1)) | {"do_xcom_push": False}
    loader = in_container(variables, identity())["cmds"][-1]
    ast.parse(loader, feature_version=(3, 8))
    assert "$(" not in loader


def nested_exit(code: Any) -> None:
    import sys

    sys.exit(code)


@pytest.mark.parametrize(("code", "ended"), [(0, 0), (None, 0), (99, 99), ("words", 1)])
def test_sys_exit_is_the_exit_code(code: Any, ended: int) -> None:
    ran = run(nested_exit, code)
    assert ran.code == ended
    assert ran.reader.seen is (ended == 0)
    assert ran.errors == ("words\n" if code == "words" else "")


def test_sigterm_ends_a_function_through_its_finally() -> None:
    def waits() -> None:
        import os
        import signal
        import time

        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        finally:
            print("tidied")

    ran = run(waits)
    assert (ran.code, ran.log) == (143, "tidied")


def test_a_result_that_is_not_json_is_one_sentence(python: str) -> None:
    def day() -> Any:
        import datetime

        return {"a": [datetime.date(2026, 1, 1)]}

    ran = run(day, python=python)
    assert ran.code == 1
    sentence = "the result of day['a'][0] is a date, which is not JSON. Return JSON, or write serializer='pickle'\n"
    assert ran.errors == sentence


@pytest.mark.parametrize(("result", "code"), [({"a": 1}, 0), (None, 0), ([1], 1), ({1: 2}, 1)])
def test_several_outputs_are_a_dict_with_text_keys(result: Any, code: int) -> None:
    def same(value: Any) -> Any:
        return value

    ran = run(same, result, given={"multiple_outputs": True, "serializer": "pickle"})
    assert ran.code == code
    assert ran.errors.startswith("multiple_outputs=True, but the result of same is no dict") is bool(code)


def test_a_name_from_outside_the_function_is_a_name_error() -> None:
    def outside() -> Any:
        return DAY

    ran = run(outside)
    assert ran.code == 1
    assert ran.errors.endswith("NameError: name 'DAY' is not defined\n")


def test_a_class_that_the_image_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    only_here = ModuleType("only_here")
    exec("class Thing: pass", only_here.__dict__)
    monkeypatch.setitem(sys.modules, "only_here", only_here)
    ran = run(double, only_here.Thing(), given={"serializer": "pickle"})
    assert ran.code == 1
    assert "argument n cannot be unpickled in this image: ModuleNotFoundError" in ran.errors


def test_large_sources_and_arguments_come_in_pieces() -> None:
    def length(text: str) -> int:
        return len(text)

    text = os.urandom(150_000).hex()
    parameters = in_container(of_operator(operator(length, text)), identity())
    pieces = [one for one in parameters["env_vars"] if one["name"].startswith(VARIABLE)]
    assert len(pieces) > 1
    assert max(len(one["value"]) for one in pieces) <= PIECE
    assert run(length, text).result == 300_000


def test_what_does_not_fit_into_a_pod_is_refused() -> None:
    text = os.urandom(LIMIT).hex()
    with pytest.raises(RefusedParameterError, match=r"the source of double .* 524,288 are the most"):
        operator(double, text)
    given = of_operator(operator(double, 1)) | {"op_args": [text]}
    with pytest.raises(TooLargeError, match="Write large arguments to a store, and give where they are"):
        in_container(given, identity())


def test_the_pod_is_shown_without_source_and_arguments() -> None:
    parameters = in_container(of_operator(operator(double, 1, name="much")), identity())
    shown = yaml.safe_dump(without_payload(build(Wanted(identity(), parameters))))
    value = parameters["env_vars"][0]["value"]
    assert value not in shown
    assert f"({len(value):,} characters)" in shown


async def waiting() -> None:
    return None


def yielding() -> Iterator[int]:
    yield 1


def told(ds: str, n: int = 1) -> None:
    return None


def unfinished(n: int) -> None:
    return None


exec("def without_file(): return 1")

REFUSED: list[tuple[Callable[..., Any], list[Any], dict[str, Any], str]] = [
    (lambda: 1, [], {}, "a lambda has no source of its own: write a def"),
    (waiting, [], {}, r"waiting is async: write a def, and asyncio.run\(...\) in it"),
    (yielding, [], {}, "yielding is a generator"),
    (lru_cache(unfinished), [1], {}, "unfinished is not a plain function"),
    (globals()["without_file"], [], {}, "the source of without_file cannot be read"),
    (told, [], {}, r"argument ds is of Airflow's context.*told\(ds='{{ ds }}'\)"),
    (double, [DAY], {}, "argument n is a date, which is not JSON. Give text, .*or write serializer='pickle'"),
    (double, [{"a": [{1: 2}]}], {}, r"argument n\['a'\]\[0\] has a key that is no text, which is not JSON"),
    (double, [Asset("a")], {}, "argument n is a Asset, which is not JSON"),
    (
        double,
        [lambda: 1],
        {"serializer": "pickle"},
        "argument n is a function, .*neither JSON nor can be pickled",
    ),
    (double, [1], {"serializer": "yaml"}, "serializer='yaml' is not known"),
    (double, [1], {"cmds": ["sh"]}, "cmds cannot be honoured: the function is the program"),
    (double, [1], {"trigger_kwargs": {"a": 1}}, "trigger_kwargs cannot be honoured"),
]


@pytest.mark.parametrize(("function", "args", "given", "sentence"), REFUSED, ids=[one[3][:30] for one in REFUSED])
def test_what_cannot_go_along_is_refused_at_parse(
    function: Callable[..., Any], args: list[Any], given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RefusedParameterError, match=sentence) as refused:
        operator(function, *args, given={"task_id": "t", **given})
    assert str(refused.value).startswith(("@task.pod t: ", "PodOperator t: "))


def test_what_is_mapped_is_refused_at_parse_too() -> None:
    with DAG("d"):
        decorated: Any = pod_task(image="i", task_id="t")(double)
        with pytest.raises(RefusedParameterError, match=r"@task.pod t: argument n is a date, which is not JSON"):
            decorated.expand(n=[1, DAY])
        with pytest.raises(RefusedParameterError, match=r"@task.pod t: argument more is a set"):
            decorated.partial(more={1}).expand(n=[1])
        with pytest.raises(RefusedParameterError, match="argument n is a date"):
            decorated.expand_kwargs([{"n": DAY}])
        with pytest.raises(RefusedParameterError, match="argument ds is of Airflow's context"):
            pod_task(image="i", task_id="t")(told).expand(n=[1])


def parameters_of(made: Any) -> dict[str, Any]:
    """What the trigger of a task is told."""
    assert made.start_from_trigger
    return unpack(made.start_trigger_args.trigger_kwargs["parameters"])


def render(ti: Ti, parameters: dict[str, Any], expand: Any = None) -> dict[str, Any]:
    """As the trigger does."""
    from executor.operators.upstream_values import TemplateInstance, Upstream

    renderer = Templater()
    renderer.template_ext = ()
    stored = SimpleNamespace(_expand_input_attr="op_kwargs_expand_input", op_kwargs_expand_input=expand)
    proxy = TemplateInstance(ti)
    return ready(parameters, stored, Upstream(ti, ti.indexes), {"ti": proxy, "name": "world"}, renderer)


def test_arguments_are_rendered_and_upstream_xcoms_are_not() -> None:
    with DAG("d", default_args={"image": "from/dag:1"}) as dag:

        @task.pod(env_vars={"A": "{{ name }}"})
        def up() -> Any:
            return None

        @task.pod(multiple_outputs=True)
        def down(*given: Any, **named: Any) -> Any:
            return None

        first: Any = up()
        down(first, ["{{ name }}", 3], inner={"b": (first["k"], "{{ name }}"), "a": 1})

    task_of: Any = dag.get_task("down")
    assert task_of.upstream_task_ids == {"up"}
    assert parameters_of(dag.get_task("up"))["image"] == "from/dag:1"
    given = parameters_of(task_of)
    assert given["multiple_outputs"] is True
    found = render(Ti(up={"text": "{{ name }}"}), given)
    assert found["op_args"] == [{"text": "{{ name }}"}, ["world", 3]]
    assert found["op_kwargs"] == {"inner": {"b": [{"text": "{{ name }}"}, "world"], "a": 1}}
    assert list(found["op_kwargs"]["inner"]) == ["b", "a"]
    assert render(Ti(), parameters_of(dag.get_task("up")))["env_vars"] == [{"name": "A", "value": "world"}]


def test_each_mapped_instance_has_its_arguments() -> None:
    with DAG("d") as dag:
        decorated: Any = pod_task(image="i")(double)
        decorated.partial(name="{{ name }}", more=1).expand(n=["{{ name }}", 2])

    made: Any = dag.get_task("double")
    stored = mapped(made.op_kwargs_expand_input.value).expand_input
    found = [render(Ti(index), parameters_of(made), stored)["op_kwargs"] for index in range(2)]
    assert found == [{"name": "world", "more": 1, "n": "world"}, {"name": "world", "more": 1, "n": 2}]
    over = mapped({"n": xcom("up")}).expand_input
    assert render(Ti(1, up=["a", "{{ name }}"]), parameters_of(made), over)["op_kwargs"]["n"] == "{{ name }}"
    nested = mapped([{"n": [xcom("up"), 1], "more": "{{ name }}"}]).expand_input
    assert render(Ti(0, up=5), parameters_of(made), nested)["op_kwargs"] == {
        "name": "world",
        "more": "world",
        "n": [5, 1],
    }


def test_an_xcom_that_cannot_travel_is_named() -> None:
    with DAG("d"):
        given = parameters_of(operator(double, XComArg(operator(unfinished, 1, given={"task_id": "up"}))))
    with pytest.raises(RenderingError, match=r"^argument n is a date, which is not JSON. Give text"):
        render(Ti(up=DAY), given)


@pytest.mark.parametrize("given", [{"pool": "small"}, {"outlets": [Asset("a")]}, {"max_active_tis_per_dag": 1}])
def test_what_a_triggerer_would_lose_takes_the_worker_path(given: dict[str, Any]) -> None:
    assert operator(double, 1).start_from_trigger
    one = operator(double, 1, given=given)
    assert (one.start_from_trigger, one.start_trigger_args) == (False, None)
    with DAG("d") as dag:
        decorated: Any = pod_task(image="i", **given)(double)
        decorated.expand(n=[1])
    several: Any = dag.get_task("double")
    assert (several.start_from_trigger, several.start_trigger_args) == (False, None)
