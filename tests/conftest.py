"""Tests that import Airflow read no configuration but the one they make, and write into no home but their own."""

from __future__ import annotations

import os
import tempfile

_AIRFLOW_HOME = tempfile.TemporaryDirectory(prefix="airflow-home-")
os.environ["AIRFLOW_HOME"] = _AIRFLOW_HOME.name
