"""TLS from files, which can be read again while connections are open."""

import ssl

from hotswapd.daemon.config.settings import ConfigError


class Tls:
    """The certificate that is shown to whoever connects from now on. `renew` is legal on any thread."""

    def __init__(self, cert: str, key: str) -> None:
        """Read both PEM files; the certificate's may hold its chain, and the key if `key` is empty.

        Raises ConfigError.
        """
        self._cert = cert
        self._key = key
        self.context = read_tls(cert, key)

    def renew(self) -> None:
        """Read the files again. Connections that are open keep their own. Raises ConfigError, and changes nothing."""
        self.context = read_tls(self._cert, self._key)


def read_tls(cert: str, key: str) -> ssl.SSLContext:
    """Make the context of a server. Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key or None, password=_no_password)
    except ssl.SSLError as error:
        reason = error.reason or str(error)
        raise ConfigError("serve.tls_cert", f"{cert} and its key are not a pair of PEM files: {reason}") from None
    except OSError as error:
        raise ConfigError("serve.tls_cert", f"{cert} or {key or cert} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError("serve.tls_key", f"{key or cert} is encrypted; give a key without a password") from None
    return context


def _no_password() -> str:
    """Refuse at once: OpenSSL would ask on the terminal."""
    raise ValueError
