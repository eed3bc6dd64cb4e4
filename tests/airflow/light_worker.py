"""A worker that costs a tenth of a second: it talks to the execution API as Airflow's own does, and runs a shell line.

`light_pod` is a pod template whose command stands in front of the executor's arguments. The process reads its workload
from them, says that the task runs, runs the text of the variable TASK with `sh`, stores what that printed as XCom, and
reports success; failure for a non-zero exit, UP_FOR_RESCHEDULE for exit 75. No line of the DAG's code runs. Where a
test is about what is in a pod, this shows it from inside the pod, and Airflow's rows move as they do in earnest.
"""

from __future__ import annotations

from typing import Any

from executor.demo.home import AirflowHome
from executor.demo.pod_template import WorkerFiles, worker_pod

PROGRAM = r"""
import json, os, socket, subprocess, sys, time
from datetime import datetime, timezone
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, build_opener, ProxyHandler

option, value = sys.argv[-2:]
workload = json.loads(value if option == "--json-string" else open(value).read())
token, ti = workload["token"], workload["ti"]
open_url = build_opener(ProxyHandler({})).open


def now():
    return datetime.now(timezone.utc).isoformat()


def say(method, path, body):
    global token
    url = os.environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].rstrip("/") + path
    headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
    for attempt in range(10):
        try:
            with open_url(Request(url, json.dumps(body).encode(), headers, method=method), timeout=120) as answer:
                token = answer.headers.get("Refreshed-API-Token") or token
            return
        except HTTPError as error:  # as Airflow's own client: SQLite was locked for too long
            if error.code < 500 or attempt == 9:
                raise
            time.sleep(1)


here = "/task-instances/" + ti["id"]
me = {"hostname": socket.gethostname(), "unixname": "light", "pid": os.getpid(), "start_date": now()}
say("PATCH", here + "/run", {"state": "running", **me})
done = subprocess.run(["sh", "-c", os.environ.get("TASK", "hostname")], stdout=subprocess.PIPE, text=True)
if done.returncode == 75:
    say("PATCH", here + "/state", {"state": "up_for_reschedule", "reschedule_date": now(), "end_date": now()})
elif done.returncode:
    say("PATCH", here + "/state", {"state": "failed", "end_date": now()})
else:
    parts = (ti["dag_id"], ti["run_id"], ti["task_id"], "return_value")
    mapped = ti.get("map_index")
    path = "/xcoms/" + "/".join(quote(part, safe="") for part in parts)
    say("POST", path + "?map_index=%d" % (-1 if mapped is None else mapped), done.stdout.strip())
    say("PATCH", here + "/state", {"state": "success", "end_date": now(), "task_outlets": [], "outlet_events": []})
"""


def light_pod(home: AirflowHome) -> dict[str, Any]:
    """Return the template, as a pod manifest."""
    pod = worker_pod(home, WorkerFiles.of_this_machine(home))
    pod["spec"]["containers"][0]["command"] = ["python3", "-I", "-S", "-c", PROGRAM]
    return pod


def env(**variables: str) -> list[dict[str, str]]:
    """Return variables as the `env` of a container."""
    return [{"name": name, "value": value} for name, value in variables.items()]
