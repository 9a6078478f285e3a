"""The contract: rows, bodies, and what is derived from them."""
