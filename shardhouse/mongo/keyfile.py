"""The key that the members of an instance share: made once, stored encrypted, given to each node.

Source of the rules: MongoDB manual, "Keyfile Security": 6 to 1024 characters of base64; white
space is ignored.
"""

import base64
import secrets


def generate() -> str:
    """The text of a new key file: 756 random bytes, 1008 characters, a final newline."""
    return base64.b64encode(secrets.token_bytes(756)).decode() + "\n"


def password(text: str) -> str:
    """What `__system` authenticates with: the key file's text without white space."""
    return "".join(text.split())
