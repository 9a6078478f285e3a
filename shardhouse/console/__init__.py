"""The console: pages for people, at `/console` on the DDS port.

It is a client of the public API, as the person who is logged in, and has no other way in.
"""
