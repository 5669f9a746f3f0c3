"""What a target wants of TLS, in the words of Python's ssl."""

from __future__ import annotations

import ssl

from .target import Target


def asked_of(target: Target) -> ssl.SSLContext | str | bool:
    """Return what asyncpg calls `ssl`, as libpq reads sslmode.

    See https://www.postgresql.org/docs/18/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS.
    """
    if target.host.startswith("/") or target.sslmode == "disable":
        return False
    if target.sslmode in {"allow", "prefer"}:
        return target.sslmode
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = target.sslmode == "verify-full"
    if target.sslrootcert == "system":
        context.load_default_certs()
    elif target.sslrootcert:
        context.load_verify_locations(cafile=target.sslrootcert)
    elif target.sslmode == "require":
        context.verify_mode = ssl.CERT_NONE
    if target.sslcert:
        context.load_cert_chain(target.sslcert, target.sslkey)
    return context


def tls_of(target: Target) -> ssl.SSLContext:
    """Return the TLS context of a link to the target that is encrypted; what asks for no verification gets none."""
    context = asked_of(target)
    if isinstance(context, ssl.SSLContext):
        return context
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    return unverified
