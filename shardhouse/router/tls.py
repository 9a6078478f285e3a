"""TLS contexts: towards clients, and towards the cluster's members."""

from __future__ import annotations

import ssl

from shardhouse.router.options import Options


def for_clients(options: Options) -> ssl.SSLContext | None:
    """The server's context, None without TLS; a client certificate is asked for as options say."""
    if options.tls_mode == "disabled":
        return None
    assert options.tls_certificate is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.tls_certificate)
    context.load_verify_locations(options.tls_ca)
    optional = options.tls_allow_without_certificates
    context.verify_mode = ssl.CERT_OPTIONAL if optional else ssl.CERT_REQUIRED
    return context


def for_members(options: Options) -> ssl.SSLContext | None:
    """The context for connections to shards and config servers, whose names are verified."""
    if options.tls_mode == "disabled":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(options.tls_ca)
    context.load_cert_chain(str(options.tls_cluster or options.tls_certificate))
    return context
