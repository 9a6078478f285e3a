"""Identity and access: who calls, and what the caller may do. I/O on the store only, no HTTP.

`service.Iam` bundles what the HTTP layer calls: tokens, access keys and request signatures, the
directory of projects, users and roles. Refusals are `IamError` with the status a client sees.
"""
