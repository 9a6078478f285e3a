"""What goes wrong with an installation for tests."""

from shardhouse.errors import ShardhouseError


class InstallationError(ShardhouseError):
    """It could not be started, an instance could not be made, or what was waited for did not come;
    the message says why and what to do."""
