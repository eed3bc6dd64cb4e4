"""Talking to Kubernetes: the only package that imports its client. No Airflow here.

`port` is what control sees; `client.KubeApi` is it on a real server, `reflector.reflect` keeps an eye on pods, and
`classify` alone says what an answer means.
"""
