"""The one settings object: command line, then SHARDHOUSE_* environment, then shardhouse.toml.

Everything a running installation owns lies under `data_dir`; `shardhouse.toml` lies there too.
"""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from shardhouse.errors import SettingsError

DEFAULT_DATA_DIR = Path("~/.local/share/shardhouse")
CONFIG_NAME = "shardhouse.toml"


class Quotas(BaseModel, extra="forbid"):
    """How many instances a project may hold, per mode (`GET /quotas`)."""

    sharding: int = Field(default=20, ge=0)
    replica_set: int = Field(default=40, ge=0)
    single: int = Field(default=40, ge=0)


class Settings(BaseSettings):
    """What an operator can choose. Field names are the keys of `shardhouse.toml`."""

    model_config = SettingsConfigDict(
        env_prefix="SHARDHOUSE_", env_nested_delimiter="__", extra="forbid"
    )

    data_dir: Path = DEFAULT_DATA_DIR
    host: str = "127.0.0.1"
    port: int = Field(default=9800, ge=0, le=65535)
    iam_port: int = Field(default=9801, ge=0, le=65535)
    region: str = "local"
    #: Public addresses, where clients reach the two APIs through a proxy.
    dds_endpoint: str | None = None
    iam_endpoint: str | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    #: First administrator; what is left out is made up at first boot, see `admin.json`.
    domain_name: str = "shardhouse"
    project_name: str | None = None
    user_name: str = "admin"
    password: SecretStr | None = None
    access_key: str | None = None
    secret_key: SecretStr | None = None

    #: SQLAlchemy URL; SQLite under `data_dir` where absent.
    database_url: str | None = None
    #: DBOS's own tables; the same server or the same folder where absent.
    workflow_database_url: str | None = None

    #: Which of the two documented APIs answers where they differ.
    dialect: Literal["otc", "huawei"] = "otc"
    #: Where given, only these names are accepted; any name otherwise.
    regions: list[str] = []
    zones: list[str] = []
    #: What an absent `ssl_option` means.
    tls_default: bool = False
    quotas: Quotas = Quotas()

    #: MongoDB builds: folders that hold `mongod` (and `mongos`), or `bin/` with them. The build of
    #: the `mongodb` extra is used where the list is empty.
    engines: list[Path] = []
    #: Addresses of local nodes; Linux answers on all of 127.0.0.0/8.
    node_network: str = "127.64.0.0/10"
    #: Memory of a node is its flavor's times this; shown wherever a node's memory is shown.
    memory_scale: float = Field(default=1 / 16, gt=0, le=1)
    #: Megabytes of memory that creating an instance must leave free on this machine.
    memory_reserve: int = Field(default=512, ge=0)
    #: Where our routers serve /metrics, each on its own node's address; nowhere if not given.
    router_metrics_port: int | None = Field(default=None, ge=1, le=65535)
    #: Seconds a creation may take before it ends as `createfail`.
    create_timeout: float = Field(default=300, gt=0)
    #: Seconds between two looks of the monitor at MongoDB's own state.
    monitor_interval: float = Field(default=5, gt=0)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line over environment over the file in the data directory."""
        given = init_settings().get("data_dir") or env_settings().get("data_dir")
        folder = Path(given or DEFAULT_DATA_DIR).expanduser()
        return (
            init_settings,
            env_settings,
            TomlConfigSettingsSource(settings_cls, toml_file=folder / CONFIG_NAME),
        )

    @property
    def admin_file(self) -> Path:
        """Where the first administrator's credentials are kept, mode 0600."""
        return self.data_dir / "admin.json"

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the store."""
        return self.database_url or f"sqlite:///{self.data_dir / 'shardhouse.db'}"

    @property
    def workflow_url(self) -> str:
        """URL of the workflow engine's system database."""
        if self.workflow_database_url:
            return self.workflow_database_url
        if self.database_url:
            base, _, name = self.database_url.rpartition("/")
            return f"{base}/{name}_workflows"
        return f"sqlite:///{self.data_dir / 'workflows.db'}"

    def dds_url(self) -> str:
        """Where clients reach the DDS API, without a trailing slash."""
        return (self.dds_endpoint or f"http://{self.host}:{self.port}").rstrip("/")

    def iam_url(self) -> str:
        """Where clients reach IAM, without version path or trailing slash."""
        return (self.iam_endpoint or f"http://{self.host}:{self.iam_port}").rstrip("/")


def load(**given: Any) -> Settings:
    """Settings from all sources; `None` values in `given` count as not given.

    Raises SettingsError that names each wrong setting and where it can be set.
    """
    try:
        settings = Settings(**{k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise SettingsError(
            "Wrong settings (options, SHARDHOUSE_* variables or shardhouse.toml):\n  "
            + "\n  ".join(lines)
        ) from None
    data_dir = Path(os.path.abspath(settings.data_dir.expanduser()))
    return settings.model_copy(update={"data_dir": data_dir})
