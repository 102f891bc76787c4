import base64,hashlib
k=hashlib.sha256(b"golf").digest()
exec(bytes(a^k[i%32] for i,a in enumerate(base64.b85decode("5-pA**={1noYESovm6eW<}<<%y1)z-HQHtY=t{-%6h4a+&o*L@*qL9VvjZHSng"))))
