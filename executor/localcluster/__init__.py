"""A Kubernetes API for one machine, for demos and tests; never for production.

Run it with ``python -m executor.localcluster``. One asyncio process holds the API server; a node agent and a scheduler,
which are API clients and nothing more, run pods as processes of this machine. Nothing outside this package imports it.
"""
