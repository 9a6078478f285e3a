"""One module per family of commands; `table` lists every command there is, `call` is what a handler
is given, `dispatch` goes from a command to its reply.
"""
