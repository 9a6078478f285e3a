"""What stands between a socket and the HTTP applications: who may connect, TLS, and the bounds of a
request (`limits`) that hold before anything of it is given to an application.
"""
