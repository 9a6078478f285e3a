"""Where nodes run: the runtime interface and its drivers. Does I/O on processes and volumes.

A driver knows nothing of MongoDB: it keeps volumes and processes of named nodes, and says what is
true of them. `local/` runs them as detached processes of this machine.
"""
