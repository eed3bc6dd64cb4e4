"""A Kubernetes API for one machine, for demos and tests; never for production.

Run it with ``python -m executor.localcluster``. One asyncio process holds the API server; a node agent and a scheduler,
which are API clients and nothing more, run pods as processes of this machine. Nothing outside this package imports it.

Where to read: ``server`` takes requests, ``reading``, ``writing`` and ``applying`` hold the verbs, ``registry`` the
rules of writing on top of the numbered ``store``, ``strategies`` what is special about a kind, ``resources`` the table
of kinds, ``journal`` what is kept on disk, ``faults`` what makes the server misbehave.

What a real API server does that this one does not: custom resources, aggregated APIs, admission webhooks; protobuf
answers, and protobuf bodies of pods and workloads; schemas of fields in OpenAPI; controllers of workloads, claims,
services and networks (they are kept, and nothing else); managed fields before the first server-side apply; the
subresources portforward, proxy, scale, resize, ephemeralcontainers; foreground deletion; generations of pods. The
README has the whole list.
"""
