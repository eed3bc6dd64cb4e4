"""A Kubernetes API for one machine, for demos and tests; never for production.

Run it with ``python -m executor.localcluster``. One asyncio process holds the API server; a node agent and a scheduler,
which are API clients and nothing more, run pods as processes of this machine. Nothing outside this package imports it.

Where to read: ``server`` takes requests, ``reading`` and ``writing`` hold the verbs, ``registry`` the rules of writing
on top of the numbered ``store``, ``strategies`` what is special about a kind, ``resources`` the table of kinds.

What a real API server does that this one does not: server-side apply and managed fields; exec, attach, port-forward;
custom resources; enforcing roles; disruption budgets; admission webhooks; limit ranges; the status of quotas;
foreground deletion; protobuf answers, and protobuf bodies of pods; services and everything of networks; keeping objects
over a restart.
"""
