"""The real sandbox: containers of a Docker engine."""
