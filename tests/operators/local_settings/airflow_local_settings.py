"""The user's own settings: a hook that changes every pod, and would like to name it."""


def pod_mutation_hook(pod):
    pod.metadata.labels["mutated"] = "yes"
    pod.metadata.name = "anothers"
