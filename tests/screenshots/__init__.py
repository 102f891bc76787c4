"""The pictures of pages in ``docs/``, taken of real runs in a real browser."""
