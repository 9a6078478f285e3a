"""IAM: tokens, signatures, users, keys, as a caller sees them."""
