"""As whom calls are made."""

from dataclasses import dataclass, field
from pathlib import Path

ADMIN_FILE = "admin.json"


@dataclass(frozen=True)
class Credentials:
    """A user with a password in the scope of a project. `auth_url` has no version path.

    `data_dir` is the installation they were read from, None when they came from variables.
    """

    auth_url: str
    user: str
    password: str = field(repr=False)
    user_domain: str
    project_id: str | None
    project_name: str | None
    project_domain: str
    region: str | None
    data_dir: Path | None
    tls_authority: str | None = None

    @property
    def source(self) -> str:
        """Where they come from, in words."""
        return str(self.data_dir / ADMIN_FILE) if self.data_dir else "the OS_* variables"
