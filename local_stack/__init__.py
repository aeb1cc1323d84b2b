"""The seven services of docker-compose.yml as plain processes, for where Docker cannot be had."""

#: The only address that anything of the stack listens on.
LOCALHOST = "127.0.0.1"
