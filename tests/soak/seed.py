"""Makes one DAG, one run of it and a pool without bounds, in the database that Airflow is configured with.

    python -m tests.soak.seed

The tasks of the run are inserted by `tests.soak.rows`; here are only those things that Airflow itself has to write.
"""

from __future__ import annotations

from datetime import timedelta

from tests.soak.kinds import KINDS

DAG, RUN = "soak", "soak"
BUNDLE = "dags-folder"


def main() -> None:
    from airflow import sdk
    from airflow.models.dag_version import DagVersion
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.models.pool import Pool
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.serialized_objects import LazyDeserializedDAG
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from sqlalchemy import update

    with sdk.DAG(DAG, schedule=None, max_active_tasks=1_000_000) as dag:
        for kind in KINDS:
            sdk.BaseOperator(task_id=kind.name, retries=kind.retries, retry_delay=timedelta(0))
    lazy = LazyDeserializedDAG.from_dag(dag)
    with create_session() as session:
        session.add(DagBundleModel(name=BUNDLE))
        session.flush()
        SerializedDAG.bulk_write_to_db(BUNDLE, None, [lazy], session=session)
        SerializedDagModel.write_dag(lazy, bundle_name=BUNDLE, session=session)
        session.flush()
        version = DagVersion.get_latest_version(DAG, session=session)
        assert version is not None
        run = DagRun(
            dag_id=DAG,
            run_id=RUN,
            run_type=DagRunType.MANUAL,
            state=DagRunState.RUNNING,
            triggered_by=DagRunTriggeredByType.TEST,
        )
        run.created_dag_version_id = version.id
        session.add(run)
        session.execute(update(Pool).values(slots=-1))


if __name__ == "__main__":
    main()
