# The official Airflow image with this executor: scheduler, API server, DAG processor, triggerer and workers.
# `make image`, or: docker build --tag airflow-pod-executor:3.3.2 .
ARG AIRFLOW_VERSION=3.3.2
ARG PYTHON_VERSION=3.12

FROM apache/airflow:${AIRFLOW_VERSION}-python${PYTHON_VERSION} AS wheel
WORKDIR /tmp/source
COPY --chown=airflow:0 . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /tmp/dist .

FROM apache/airflow:${AIRFLOW_VERSION}-python${PYTHON_VERSION}
ARG AIRFLOW_VERSION
# As the image's own user (airflow, 50000), never root. Airflow's version stays what it is, or the build fails; the wheel
# is mounted for this one step, so that no layer keeps it.
RUN --mount=type=bind,from=wheel,source=/tmp/dist,target=/tmp/dist \
    pip install --no-cache-dir "apache-airflow==${AIRFLOW_VERSION}" /tmp/dist/airflow_pod_executor-*.whl \
    && pip check \
    && python -c "import executor.kubernetes_executor"
ENV AIRFLOW__CORE__EXECUTOR=executor.KubernetesExecutor
