"""Identity and access: who somebody is, and what he may do. I/O on the store only, no HTTP.

`service.Iam` bundles what the HTTP layer calls: tokens, access keys and request signatures, the
directory of projects, users and roles. Refusals are `IamError` with the status a client sees.
"""
