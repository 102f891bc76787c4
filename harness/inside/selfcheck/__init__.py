"""Runs inside a container, alone, and reports what it finds there. The harness never imports it.

It uses only the standard library and relative imports, so that any image with Python 3.11 can run a
mounted copy: ``python -m inside.tell JSON``. The argument holds the expected limits, so that
nothing is tried far beyond them; with ``briefly`` it only looks for leftovers and leaves some.
"""
