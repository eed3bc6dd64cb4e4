# The official Airflow image with this executor: scheduler, API server, DAG processor, triggerer and workers.
# Needs this project's wheel in dist/: `pip wheel --no-deps --wheel-dir dist .`
ARG AIRFLOW_VERSION=3.3.2
ARG PYTHON_VERSION=3.12
FROM apache/airflow:${AIRFLOW_VERSION}-python${PYTHON_VERSION}
ARG AIRFLOW_VERSION

# As the image's own user (airflow, no root). Airflow's version stays what it is, or the build fails; the wheel is
# mounted for this one step, so that no layer keeps it.
RUN --mount=type=bind,source=dist,target=/dist \
    pip install --no-cache-dir "apache-airflow==${AIRFLOW_VERSION}" /dist/airflow_pod_executor-*.whl \
    && pip check \
    && python -c "import executor.kubernetes_executor"

ENV AIRFLOW__CORE__EXECUTOR=executor.KubernetesExecutor
