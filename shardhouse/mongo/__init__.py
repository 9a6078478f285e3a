"""Administering MongoDB: command lines, keys and certificates, replica sets, shards, users.

Knows MongoDB and nothing of where its processes run. `commandline`, `keyfile` and `certificates`
only compute; the others talk to servers through `admin.Clients` and are idempotent: they look, then
act, so a workflow may repeat them after a crash.
"""
