"""Input of strangers and files that must last: bounded, validated, whole or absent."""
