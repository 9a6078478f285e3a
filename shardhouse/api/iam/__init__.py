"""IAM over HTTP: Keystone v3 paths and the cloud's extensions, one module per resource.

Shapes and status codes only; who may do what is decided in `shardhouse.iam`.
"""
