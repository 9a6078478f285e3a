"""Who a client is and what it may do. `scram` proves identity, `users` knows the users,
`privileges` compares what is needed with what is granted, `requirements` says what is needed.

Only `users` does I/O, through a reader it is given.
"""
