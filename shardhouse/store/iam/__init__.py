"""What IAM keeps: accounts, projects, users, role assignments, access keys, tokens, failures.

`tables` defines the tables on the shared MetaData, `records` the rows as plain data, `directory`
and `credentials` the queries; each takes a connection of `Database.read()` or `.write()`. Secrets
arrive here sealed or hashed. Rules (who may, what is valid) live in `shardhouse.iam`.
"""

from shardhouse.store.iam import tables as tables
