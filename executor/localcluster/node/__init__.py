"""The node agent of the local cluster: runs pods as processes of this machine; a client of the API, nothing more."""
