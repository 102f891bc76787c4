"""Runs inside a container, alone, and tells what it finds there. The harness never imports it.

Standard library and relative imports only, because any image with Python 3.11 may run a mounted
copy: ``python -m inside.tell JSON``. The argument holds the sizes at which limits should bite, so
that nothing is tried far beyond them; with ``briefly`` it only looks for leftovers and leaves some.
"""
