#!/usr/bin/env bash
# The chart on a kind cluster: create it, build and load the image, install, run the demo's DAGs, tear down.
# KEEP=1 leaves the cluster. Ends with 69 where there is no Docker engine or a program is missing, and with 1 if a task
# did not end as it should.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly UNAVAILABLE=69 CLUSTER=airflow-pod-executor BASE=airflow-pod-executor:3.3.2 IMAGE=airflow-pod-executor:demo

need() {
  command -v "$1" >/dev/null || { echo "kind-demo needs $1, which is not on the PATH ($2)." >&2; exit "$UNAVAILABLE"; }
}
need docker "https://docs.docker.com/engine/install"
need kind "https://kind.sigs.k8s.io"
need kubectl "https://kubernetes.io/docs/tasks/tools"
need helm "https://helm.sh"
docker info >/dev/null 2>&1 || { echo "kind-demo needs a running Docker engine; 'docker info' fails." >&2; exit "$UNAVAILABLE"; }

# A kubeconfig of its own: nobody's current context is changed.
KUBECONFIG="$(mktemp)"
export KUBECONFIG
tear_down() {
  if [ -n "${KEEP:-}" ]; then
    echo "The cluster stays: kubectl --kubeconfig $KUBECONFIG --namespace airflow get pods"
    return
  fi
  kind delete cluster --name "$CLUSTER"
  rm -f "$KUBECONFIG"
}

# It fails, and clears up by itself, where such a cluster is there already: that one is not ours to delete.
kind create cluster --name "$CLUSTER" --config tests/kind/cluster.yaml --wait 120s
trap tear_down EXIT
docker build --tag "$BASE" .
docker build --tag "$IMAGE" --build-arg IMAGE="$BASE" --file tests/kind/Dockerfile .
kind load docker-image "$IMAGE" --name "$CLUSTER"

in_namespace=(kubectl --namespace airflow)
kubectl create namespace airflow
"${in_namespace[@]}" create secret generic airflow-demo \
  --from-literal=by-override="the secret of the override" \
  --from-literal=by-executor-config="the secret of executor_config" \
  --from-literal=by-env-secrets="the secret of every task"
helm install demo helm --namespace airflow --values tests/kind/values.yaml --wait --timeout 10m

"${in_namespace[@]}" exec --stdin deploy/demo-scheduler --container scheduler -- python - <tests/kind/play.py
"${in_namespace[@]}" get events --field-selector reason=Started
