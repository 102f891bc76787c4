"""The proof of a sandbox: what it was asked for, tried from inside and from outside."""
