"""The store: tables, migrations, repositories and sealed secrets. Does I/O on one SQL database.

Repositories turn rows into `domain` data and back; every query for a tenant's data is scoped by
project here, in one place. No rules of the service live here.
"""
