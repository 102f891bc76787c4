"""The gate: a pull request's submission judged from git's objects, nothing of it checked out."""
