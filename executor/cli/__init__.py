"""`airflow kubernetes-executor ...`: what a task's pod will be, who set each of its fields, and what is wrong with it.

The pods shown are built by the launch's own code. Nothing here writes to the database or to the cluster.
"""
