"""HTTP: translates the wire to `domain` data and back, for DDS (`dds/`) and IAM (`iam/`).

Holds no rules of the service: parsing, status codes, JSON types and error shapes only.
"""
