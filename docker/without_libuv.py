"""Appended to torch/distributed/__init__.py in the image for entries in upstream's layout.

Debian's PyTorch was built without libuv, but asks for it wherever processes meet.
"""

if is_available():  # noqa: F821 - of the module that this is appended to
    _make_store = TCPStore.__init__  # noqa: F821

    def _make_store_without_libuv(store, *arguments, **options):
        _make_store(store, *arguments, **{**options, "use_libuv": False})

    TCPStore.__init__ = _make_store_without_libuv  # noqa: F821
