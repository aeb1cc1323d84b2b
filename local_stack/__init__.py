"""The seven services of docker-compose.yml as plain processes, for machines without Docker."""

import ssl

#: The only address that the stack listens on.
LOCALHOST = "127.0.0.1"
#: For httpx, which otherwise reads all certificates of the authorities for each request: 35 ms, and
#: what is asked here has none.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
