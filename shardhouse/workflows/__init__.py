"""Durable operations on instances, and the monitor that keeps what they built true.

An operation is a list of steps (`create`, `delete`); `engine` runs it as a DBOS workflow and
writes its progress; a step is idempotent, because it is repeated after a crash. Does I/O through
`nodes`, `mongo` and `store`; holds no HTTP.
"""
