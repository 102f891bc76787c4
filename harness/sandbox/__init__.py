"""Where untrusted code runs: one small protocol, a real sandbox and a rehearsal."""
