"""`airflow kubernetes-executor ...`: what a task's pod will be, who set each field, what is wrong, what is left behind.

The pods shown are built by the launch's own code. Nothing here writes to the database, and nothing but `cleanup` to the
cluster.
"""
