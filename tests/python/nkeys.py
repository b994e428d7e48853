"""The part of the package `nkeys` that nats-py calls for nkeys and credentials files, in Python alone.

Signatures are Ed25519's, after RFC 8032; seeds are base32 with two bytes of prefix and a checksum at the end, after the
documentation of NKeys. Not for production: nothing here takes a constant time.
"""

import base64
import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
USER = 20 << 3


def add(a, b):
    """Sum of two points in extended coordinates."""
    x = (a[1] - a[0]) * (b[1] - b[0]) % P
    y = (a[1] + a[0]) * (b[1] + b[0]) % P
    t = 2 * a[3] * b[3] * D % P
    z = 2 * a[2] * b[2] % P
    e, f, g, h = y - x, z - t, z + t, y + x
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number, point):
    result = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = add(result, point)
        point, number = add(point, point), number >> 1
    return result


def base():
    y = 4 * pow(5, P - 2, P) % P
    squared = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(squared, (P + 3) // 8, P)
    if (x * x - squared) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    x = P - x if x & 1 else x
    return x, y, 1, x * y % P


def packed(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def checksum(data):
    """CRC-16 of XMODEM."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc.to_bytes(2, "little")


class KeyPair:
    def __init__(self, seed):
        digest = hashlib.sha512(seed).digest()
        self.secret = (int.from_bytes(digest[:32], "little") & (1 << 254) - 8) | 1 << 254
        self.prefix = digest[32:]
        self.key = packed(times(self.secret, base()))

    @property
    def public_key(self):
        data = bytes([USER]) + self.key
        return bytearray(base64.b32encode(data + checksum(data)).rstrip(b"="))

    def sign(self, message):
        def number(*parts):
            return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % ORDER

        once = number(self.prefix, message)
        point = packed(times(once, base()))
        proof = (once + number(point, self.key, message) * self.secret) % ORDER
        return point + proof.to_bytes(32, "little")

    def wipe(self):
        self.secret = self.prefix = None


def from_seed(text):
    text = bytes(text).strip()
    raw = base64.b32decode(text + b"=" * (-len(text) % 8))
    if checksum(raw[:-2]) != raw[-2:]:
        raise ValueError("nkeys: invalid seed")
    return KeyPair(raw[2:34])
