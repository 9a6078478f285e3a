"""The same operations through the router and on a replica set: what they answer must be equal.

`values` and `operations` generate (with hypothesis), `sides` runs an operation on either side,
`comparison` says what equal means, `lawful` is the one list of differences that a sharded cluster
has by right.
"""
