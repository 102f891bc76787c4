"""The steps: each module has a function ``run(desk)``."""
