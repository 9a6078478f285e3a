"""TLS contexts: towards clients, and towards the cluster's members."""

from __future__ import annotations

import ssl

from shardhouse.router.options import TLS_PROTOCOLS, Options


class Contexts:
    """Those in use now, made anew when certificates are rotated; connections keep what they have.

    `clients` is None without TLS, `members` too while the router itself does not ask for it
    (`allowTLS`). Raises OSError (ssl.SSLError) if a file is not usable.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self.clients: ssl.SSLContext | None = None
        self.members: ssl.SSLContext | None = None
        self.rotate()

    @property
    def plain_allowed(self) -> bool:
        """Whether clients may come without TLS."""
        return self._options.tls_mode != "requireTLS"

    def rotate(self) -> None:
        """Read all files again; nothing changes if one is not usable."""
        mode = self._options.tls_mode
        if mode == "disabled":
            return
        clients = _for_clients(self._options)
        members = _for_members(self._options) if mode in ("preferTLS", "requireTLS") else None
        self.clients, self.members = clients, members


def _for_clients(options: Options) -> ssl.SSLContext:
    """The server's context; a client certificate is asked for as options say."""
    assert options.tls_certificate is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.tls_certificate)
    optional = options.tls_allow_without_certificates
    context.verify_mode = ssl.CERT_OPTIONAL if optional else ssl.CERT_REQUIRED
    _common(context, options)
    return context


def _for_members(options: Options) -> ssl.SSLContext:
    """The context for connections to shards and config servers, whose names are verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(str(options.tls_cluster or options.tls_certificate))
    context.check_hostname = not options.tls_allow_invalid_hostnames
    _common(context, options)
    return context


def _common(context: ssl.SSLContext, options: Options) -> None:
    context.load_verify_locations(options.tls_ca)
    if options.tls_crl:
        context.load_verify_locations(options.tls_crl)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    for name in options.tls_disabled_protocols:
        context.options |= TLS_PROTOCOLS[name]
