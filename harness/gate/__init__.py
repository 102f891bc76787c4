"""The gate: judges a pull request's submission from git objects, without checking it out."""
