"""An array without entries whose other axes are impossible, as the reply to the import itself."""
import json
import os
import struct

header = json.dumps({"$": "array", "d": "<f8", "s": [0] + [2**29] * 31}).encode()
os.write(4, struct.pack("<4sIQ", b"DGw1", len(header), 0) + header)
