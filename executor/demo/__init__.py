"""Real Airflow on one machine, started and stopped as a whole: what ``make demo`` and the tests stand on.

Nothing that runs in production imports this package.

| module | holds |
|---|---|
| `home` | an AIRFLOW_HOME of its own, the environment of its components, the pod template |
| `processes` | child processes that log to files, and never outlive their parent |
| `migration` | a migrated database in a second instead of ten |
| `database` | what Airflow's tables say (SQL, read only) |
| `api` | what a person would click (REST) |
| `stack` | all of it together: `AirflowStack` |
| `cluster` | `LocalCluster`: ``python -m executor.localcluster`` as a child process |
"""
