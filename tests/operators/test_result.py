"""The result in the log: exact, whatever the chunks; and in the termination message."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.operators import xcom
from executor.operators.xcom import ResultError, ResultReader

NAME = "dag-task-0123456789abcdef"
MARK = xcom.mark_of(NAME)


def read(log: bytes, size: int) -> tuple[ResultReader, list[bytes]]:
    reader, lines = ResultReader.of(NAME), []
    for start in range(0, len(log), size):
        lines += reader.feed(log[start : start + size])
    return reader, [*lines, *reader.end()]


@given(
    st.lists(st.text(st.characters(blacklist_characters="\r\n", codec="utf-8"), max_size=9), max_size=4),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=50),
    st.integers(1, 80),
)
def test_a_result_is_exact_and_not_shown(said: list[str], value: str, size: int) -> None:
    content = json.dumps(value, ensure_ascii=False).encode()
    shown = "".join(f"{line}\n" for line in said).encode()
    log = shown + f"\n{MARK} {len(content)}\n".encode() + content + f"\n{MARK} end\n".encode()
    reader, lines = read(log, size)
    assert reader.seen
    assert reader.value() == value
    assert [line.decode() for line in lines] == said


def test_a_log_without_a_result_is_shown_as_it_is() -> None:
    reader, lines = read(b"a\n\nb\n\n", 2)
    assert [line.decode() for line in lines] == ["a", "", "b", ""]
    with pytest.raises(ResultError, match=r"wrote no /airflow/xcom/return.json"):
        reader.value()


def test_long_lines_do_not_fill_the_memory() -> None:
    reader = ResultReader.of(NAME)
    lines = [line for _ in range(100) for line in reader.feed(b"x" * 1000, 4096)]
    assert max(map(len, lines)) <= 4096 + 1000
    assert sum(map(len, [*lines, *reader.end()])) == 100_000


def test_a_result_that_broke_off() -> None:
    reader, _ = read(f"\n{MARK} 10\n12345".encode(), 4)
    assert not reader.seen
    with pytest.raises(ResultError, match="5 of 10 bytes arrived"):
        reader.value()


@pytest.mark.parametrize(
    ("message", "sentence"),
    [("", "wrote nothing"), ("[" + "1," * 2048, "larger than 4096 bytes"), ("{", "is not JSON")],
)
def test_by_message(message: str, sentence: str) -> None:
    with pytest.raises(ResultError, match=sentence):
        xcom.parse(message, by_message=True)
    assert xcom.parse('{"a": 1}', by_message=True) == {"a": 1}


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    ("script", "code", "shown", "result"),
    [
        ("echo hello; printf '[1]' > {file}", 0, ["hello"], [1]),
        ("echo hello; exit 3", 3, ["hello"], None),
        ("printf '[1]' > {file}; exit 3", 3, [], None),
        ('echo "$0 $1"; printf 2 > {file}', 0, ["first second"], 2),
        ("kill -TERM $PPID; exec sleep 5", 143, [], None),
    ],
)
def test_the_shell_that_runs_the_command(
    shell: str, script: str, code: int, shown: list[str], result: object, tmp_path: Path
) -> None:
    file = tmp_path / "return.json"
    pod = {"spec": {"containers": [{"name": "base", "command": ["sh", "-c"]}]}}
    made = xcom.with_result(pod, "base", NAME, wrapped=True)["spec"]["containers"][0]
    command = [one.replace(xcom.RETURN_FILE, str(file)) for one in made["command"]]
    ran = subprocess.run(
        [shell, *command[1:], script.format(file=file), "first", "second"], capture_output=True, check=False, timeout=60
    )
    reader, lines = read(ran.stdout, 7)
    assert ran.returncode == code, ran.stderr
    assert [line.decode() for line in lines] == shown
    assert (reader.value() if reader.seen else None) == result


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    ("place", "moment", "begins"),
    [(" INT\n", " INT\nkill -TERM $$\n", False), ('"$@" & child=$!', '"$@" & kill -TERM $$; child=$!', True)],
    ids=["before", "while"],
)
def test_a_signal_as_the_command_begins_reaches_it(
    shell: str, place: str, moment: str, begins: bool, tmp_path: Path
) -> None:
    script = xcom._SCRIPT.format(file="/nowhere", mark=MARK)
    early = script.replace(place, moment, 1)
    assert early != script
    command = ["sh", "-c", f"touch {tmp_path}/begun; exec sleep 50"]
    ran = subprocess.run([shell, "-c", early, "task", *command], capture_output=True, check=False, timeout=40)
    assert ran.returncode == 143, ran.stderr
    assert begins or not (tmp_path / "begun").exists()


def test_an_unwrapped_command_is_left_as_it_is() -> None:
    pod = {"spec": {"containers": [{"name": "base", "command": ["/program"]}]}}
    made = xcom.with_result(pod, "base", NAME, wrapped=False)["spec"]["containers"][0]
    assert made["command"] == ["/program"]
    assert made["terminationMessagePath"] == xcom.RETURN_FILE
    assert not xcom.is_wrapped(made)
