"""Reading untrusted input and writing durable files: bounded, validated, whole or absent."""
