"""Tests of single parts."""

from __future__ import annotations

from tests.property.patient_hypothesis import load

load()
