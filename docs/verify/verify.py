"""Check what `mm journal prove --seq` wrote: python verify.py p.txt [VKEY]. Exit code 0 it holds, 2 not. docs/proof.md."""

import json
import re
import sys
from base64 import b64decode, b64encode
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SHAPE = r"c2sp\.org/tlog-proof@v1\nextra (\S+)\nindex (0|[1-9]\d{0,17})\n((?:\S+\n)*)\n(([^\n]+)\n([1-9]\d{0,17})\n(\S+)\n)\n((?:— [^ \n]+ \S+\n)+)"


def decoded(text: str) -> bytes:
    data = b64decode(text, validate=True)
    assert text and b64encode(data).decode() == text, "what should be base64 is not"
    return data


def check(text: str, given: str) -> str:
    extra, index_text, lines, body, origin, size, root, signatures = re.fullmatch(SHAPE, text).groups()
    told, index, last = json.loads(decoded(extra)), int(index_text), int(size) - 1
    name, key_id, key_text = (given or told["vkey"]).split("+", 2)
    key, rows = decoded(key_text), decoded(told["rows"])
    assert sha256(f"{name}\n".encode() + key).hexdigest()[:8] == key_id and key[0] == 1, "no Ed25519 verifier key"
    signed = [decoded(line.split(" ")[2]) for line in signatures.splitlines() if line.split(" ")[1] == name]
    ours = [one[4:] for one in signed if one[:4].hex() == key_id]
    assert ours and index <= last, f"not signed by {name} ({key_id}), or no such index"
    [Ed25519PublicKey.from_public_bytes(key[1:]).verify(one, body.encode()) for one in ours]
    found, at = sha256(b"\0" + rows).digest(), index
    for sibling in map(decoded, lines.split()):
        assert last and len(sibling) == 32, "the path is too long"
        is_right = at % 2 == 1 or at == last
        found = sha256(b"\1" + (sibling + found if is_right else found + sibling)).digest()
        while is_right and at % 2 == 0 and at:
            at, last = at // 2, last // 2
        at, last = at // 2, last // 2
    assert not last and found == decoded(root), "the event and its path do not lead to the root"
    heads = [(int.from_bytes(rows[n : n + 8], "little"), rows[n + 58] & 1) for n in range(0, len(rows), 64)]
    assert heads == [(index, 0)] * (len(rows) // 64 - 1) + [(index, 1)] and len(rows) % 64 == 0, "the leaf is no event"
    return (
        f"ok        event {index} of {size} in {origin}, signed by {name}+{key_id}+{key_text}\nrows      {rows.hex()}"
    )


try:
    print(check(open(sys.argv[1], "rb").read().decode(), "".join(sys.argv[2:3])))
except Exception as error:
    sys.exit(print(f"not ok    {type(error).__name__}: {error}", file=sys.stderr) or 2)
print("" if sys.argv[2:] else "note      the key is the proof's own word: give the one that the signer published")
