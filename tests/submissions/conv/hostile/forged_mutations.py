"""Says that it wrote into arguments that cannot exist: digits that are no numbers, numbers of 5000 digits."""
import json
import os
import struct


def corr2d(x, k):
    reply = {"$": "dict", "v": [["value", 1], ["mutated", ["²", "9" * 5000, "-1", "0.²", "\ud800"]]]}
    header = json.dumps(reply).encode()
    os.write(4, struct.pack("<4sIQ", b"DGw1", len(header), 0) + header)
    os._exit(0)
