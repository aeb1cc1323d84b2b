"""The seven services of docker-compose.yml as plain processes, for machines without Docker."""

#: The only address that the stack listens on.
LOCALHOST = "127.0.0.1"
