"""From a raw pod to a decision, without I/O: pod_view -> diagnosis -> decide."""
