"""Building blocks of operations' steps: each looks first and then acts, so it may be repeated."""
