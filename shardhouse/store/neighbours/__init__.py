"""What the services beside DDS keep: networks, public IPs, enterprise projects, log groups.

`records` are the rows as plain data, `rows` reads and writes them, `networks` and `public_ips` keep
them consistent. Whoever calls gives the project (or domain) that narrows every query.
"""
