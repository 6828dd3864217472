"""Errors of connections in plain words."""

import os
import ssl

from aiohttp import ClientConnectorCertificateError, ClientConnectorDNSError, ClientConnectorError


def connection_fault(error: Exception) -> str:
    """Why there is no connection, without the library's text around it."""
    match error:
        case ClientConnectorCertificateError():
            fault = error.certificate_error
            return f"its certificate is not valid: {getattr(fault, 'verify_message', fault)}"
        case ClientConnectorDNSError():
            return f"{error.host} cannot be resolved: {error.os_error.strerror or error.os_error}"
        case ClientConnectorError(os_error=ssl.SSLError() as fault):
            return f"TLS failed: {(fault.reason or str(fault)).replace('_', ' ').lower()}"
        case ClientConnectorError():
            # The error of one address is enough: without a listener, all addresses refuse.
            errno = error.os_error.errno
            return os.strerror(errno) if errno else str(error.os_error)
        case _:
            return str(error) or type(error).__name__
