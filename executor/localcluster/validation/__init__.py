"""Semantic validation: what a real API server refuses with 422, cause by cause, in its own words.

Pure: every function takes decoded, defaulted objects and returns :class:`FieldError` values. Source of the rules and
sentences: ``pkg/apis/core/validation/validation.go`` and apimachinery ``pkg/util/validation``. Excluded: rules of
fields that decide nothing on one machine (cloud volumes, Windows options, cluster DNS).
"""
