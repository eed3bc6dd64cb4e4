"""`doctor`: is everything there that this executor needs, and what to do where it is not.

`reading` and `airflow_reading` collect facts, the `*_checks` modules turn facts into findings and touch nothing. What
is read is metadata only: no Secret's data, no token, no connection is ever asked for.
"""
