"""Scripts packed as the field packs them: a wrapper that unpacks and runs what it holds."""

import base64
import bz2
import lzma
import zlib

RAW = [{"id": lzma.FILTER_LZMA2}]


def packed(source: str, how: str) -> str:
    content = source.encode()
    if how == "lzma":
        text = base64.b85encode(lzma.compress(content)).decode()
        return f"import lzma, base64\nexec(lzma.decompress(base64.b85decode({text!r})))\n"
    if how == "raw":
        text = base64.b85encode(lzma.compress(content, lzma.FORMAT_RAW, filters=RAW)).decode()
        return (
            "import lzma as L,base64 as B\n"
            f"exec(L.decompress(B.b85decode({text!r}),format=L.FORMAT_RAW,"
            'filters=[{"id":L.FILTER_LZMA2}]))\n'
        )
    if how == "zlib":
        text = base64.b64encode(zlib.compress(content)).decode()
        return (
            f"from zlib import decompress as d\nfrom base64 import b64decode\nblob={text!r}\n"
            "src=d(b64decode(blob))\nexec(compile(src.decode('utf-8'),'t.py','exec'))\n"
        )
    if how == "bz2":
        text = bz2.compress(content).hex()
        return f"import bz2\nexec(__import__('bz2').decompress(bytes.fromhex({text!r})))\n"
    return packed(packed(source, "lzma"), "zlib")  # a wrapper in a wrapper
