"""How fast the executor is, beside a bare client and Airflow's own KubernetesExecutor. `python -m tests.benchmarks`."""
