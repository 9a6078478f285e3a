"""Random access keys and secret keys, in the cloud's form."""

import secrets
import string

ACCESS_KEY_LENGTH = 20
SECRET_KEY_LENGTH = 40


def new_access_key() -> str:
    """20 upper-case letters and digits."""
    alphabet = string.ascii_uppercase + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(ACCESS_KEY_LENGTH))


def new_secret_key() -> str:
    """40 letters and digits."""
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(SECRET_KEY_LENGTH))
