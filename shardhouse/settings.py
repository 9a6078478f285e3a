"""The one settings object: command line, then SHARDHOUSE_* environment, then shardhouse.toml.

Everything a running installation owns lies under `data_dir`; `shardhouse.toml` lies there too.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from shardhouse import endpoints
from shardhouse.errors import SettingsError

DEFAULT_DATA_DIR = Path("~/.local/share/shardhouse")
CONFIG_NAME = "shardhouse.toml"
VARIABLES_NAME = "shardhouse.env"
"""File of variables in the data directory that a service of systemd gets, if it is there."""
_BACKUP_SCHEMES = ("file", "s3", "gs", "az")
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"({_LABEL}\.)*(?=[a-z]){_LABEL}")


def cache_folder() -> Path:
    """The user's folder of what can be had again, for all installations; it may not exist yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return (cache / "shardhouse").expanduser().absolute()


def _split(value: object) -> object:
    """A list may be written as text, its items separated by commas."""
    return [item.strip() for item in value.split(",")] if isinstance(value, str) else value


def _backup_url(value: str) -> str:
    """A URL of a storage that there is a driver for."""
    url = urlsplit(value)
    placed = bool(url.netloc) != (url.scheme == "file")
    if url.scheme not in _BACKUP_SCHEMES or not placed or url.query or url.fragment:
        raise ValueError(
            "file:///<folder>, s3://<bucket>/<folder>, gs://<bucket>/<folder> or "
            f"az://<container>/<folder> is required, got {value}"
        )
    return value


def _webhook(value: SecretStr) -> SecretStr:
    """A URL of HTTP. The error does not repeat it, for it may hold a token."""
    url = urlsplit(value.get_secret_value())
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("a URL that begins with http:// or https:// is required")
    return value


def _lts_url(value: str) -> str:
    """A URL of a folder or of an HTTP server."""
    url = urlsplit(value)
    placed = bool(url.netloc) != (url.scheme == "file")
    if url.scheme not in ("file", "http", "https") or not placed or url.query or url.fragment:
        raise ValueError(f"file:///<folder> or http(s)://<host>/<path> is required, got {value}")
    return value


def _domain(value: str) -> str:
    """A DNS domain in small letters, short enough for names below it."""
    domain = value.lower()
    if len(domain) > 200 or not _DOMAIN.fullmatch(domain):
        raise ValueError(f"a DNS domain such as db.example.com is required, got {value}")
    return domain


class Quotas(BaseModel, extra="forbid"):
    """How many instances a project may hold, per mode (`GET /quotas`)."""

    sharding: int = Field(default=20, ge=0)
    replica_set: int = Field(default=40, ge=0)
    single: int = Field(default=40, ge=0)


class BackupSettings(BaseModel, extra="forbid"):
    """Where backups are kept. Field names follow `backup.` in `shardhouse.toml`."""

    url: Annotated[str, AfterValidator(_backup_url)] | None = Field(
        default=None,
        description="Where backups are kept: `file:///<folder>`, `s3://<bucket>/<folder>`, `gs://"
        "<bucket>/<folder>` or `az://<container>/<folder>`; `backups/` in the data directory where "
        "absent.",
    )
    endpoint: str | None = Field(
        default=None,
        description="URL of the object store, where it is not the well-known one: of MinIO or "
        "Ceph, for example.",
    )
    region: str | None = Field(
        default=None,
        description="The bucket's region.",
    )
    access_key: str | None = Field(
        default=None,
        description="Access key of the object store: of Azure the account's name, of Google the "
        "file with the service account's key. What the environment says where absent.",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="Its secret; of Azure the account's key, of Google none.",
    )


class EventSettings(BaseModel, extra="forbid"):
    """Where events are sent. Field names follow `events.` in `shardhouse.toml`."""

    webhook_url: Annotated[SecretStr, AfterValidator(_webhook)] | None = Field(
        default=None,
        description="Where each event is sent as JSON, by POST; see `docs/events.md`.",
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Key of the signature (HMAC-SHA256 of the body) in the header "
        "`X-Shardhouse-Signature`; no header where absent.",
    )


class LogSettings(BaseModel, extra="forbid"):
    """How much of a node's log is kept. Field names follow `logs.` in `shardhouse.toml`."""

    file_size: int = Field(
        default=64,
        ge=1,
        description="MiB at which a node's log file is put aside and a new one begun.",
    )
    total_size: int = Field(
        default=256,
        ge=1,
        description="MiB of log files that a node keeps; the oldest ones put aside go first.",
    )
    days: int = Field(
        default=31,
        ge=1,
        description="Days after which a log file that was put aside goes.",
    )


class LtsSettings(BaseModel, extra="forbid"):
    """Where log streams are. Field names follow `lts.` in `shardhouse.toml`."""

    url: Annotated[str, AfterValidator(_lts_url)] | None = Field(
        default=None,
        description="Where logs go that are associated with a log stream: `file:///<folder>`, or "
        "`http://<host>/<path>` or `https://...` of a server that takes lines of JSON by POST; "
        "`lts/` in the data directory where absent.",
    )


class Settings(BaseSettings):
    """What an operator can choose. Field names are the keys of `shardhouse.toml`."""

    model_config = SettingsConfigDict(
        env_prefix="SHARDHOUSE_", env_nested_delimiter="__", extra="forbid"
    )

    data_dir: Path = Field(
        default=DEFAULT_DATA_DIR,
        description="All that an installation owns; delete it and nothing is left but the shared "
        "MongoDB builds (`engine_dir`).",
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address on which the two APIs listen.",
    )
    port: int = Field(
        default=9800,
        ge=0,
        le=65535,
        description="Port of the DDS API.",
    )
    iam_port: int = Field(
        default=9801,
        ge=0,
        le=65535,
        description="Port of IAM.",
    )
    region: str = Field(
        default="local",
        description="The region's name in the catalog.",
    )
    dds_endpoint: str | None = Field(
        default=None,
        description="Address of the DDS API that clients use, where it is another: behind a proxy "
        "(it must not rewrite host, path or query), or with `host` `0.0.0.0` or `::`, "
        "which stand for an address of this machine otherwise.",
    )
    iam_endpoint: str | None = Field(
        default=None,
        description="The same, of IAM.",
    )
    tls_certificate: Path | None = Field(
        default=None,
        description="PEM file: certificate with its chain. Both ports speak HTTPS then.",
    )
    tls_key: Path | None = Field(
        default=None,
        description="PEM file: the certificate's key.",
    )
    tls_authority: Path | None = Field(
        default=None,
        description="PEM file of the authority that signed it, where the system does not know it "
        "(for a self-signed certificate, that file itself); our own commands trust it, "
        "and `shardhouse env` names it to other clients.",
    )
    max_connections: int = Field(
        default=1000,
        ge=1,
        description="Connections that each port holds.",
    )
    max_connections_per_peer: int = Field(
        default=250,
        ge=1,
        description="The same from one address; a proxy is one address.",
    )
    trusted_proxies: list[IPvAnyNetwork] = Field(
        default=[],
        description="Addresses or networks of proxies whose `X-Forwarded-For` and `X-Forwarded-"
        "Proto` count; without it, failed logins through a proxy count as the proxy's.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="What `serve` logs: debug, info, warning or error.",
    )

    domain_name: str = Field(
        default="shardhouse",
        description="The first administrator, made at first start only: the domain.",
    )
    project_name: str | None = Field(
        default=None,
        description="The first project; named like the region where absent.",
    )
    user_name: str = Field(
        default="admin",
        description="The first user.",
    )
    password: SecretStr | None = Field(
        default=None,
        description="The first user's password; made up where absent, see `admin.json`.",
    )
    access_key: str | None = Field(
        default=None,
        description="The first user's access key; made up where absent.",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="Its secret; made up where absent.",
    )

    database_url: str | None = Field(
        default=None,
        description="SQLAlchemy URL of the store, for PostgreSQL `postgresql+psycopg://...`; "
        "SQLite in the data directory where absent.",
    )
    workflow_database_url: str | None = Field(
        default=None,
        description="The workflow engine's own database; beside the store where absent.",
    )

    dialect: Literal["otc", "huawei"] = Field(
        default="otc",
        description="`otc` or `huawei`: which of the two documented APIs answers where they "
        "differ.",
    )
    regions: list[str] = Field(
        default=[],
        description="Names of regions that are accepted; any where empty.",
    )
    zones: list[str] = Field(
        default=[],
        description="Names of availability zones that are accepted; any where empty.",
    )
    tls_default: bool = Field(
        default=False,
        description="What an absent `ssl_option` means.",
    )
    quotas: Quotas = Field(
        default=Quotas(),
        description="Instances per project: `quotas.sharding`, `quotas.replica_set`, "
        "`quotas.single`.",
    )

    engines: list[str] = Field(
        default=[],
        description="MongoDB builds that serve new instances: names of unpacked ones, and folders "
        "that hold `mongod` (and `mongos`), or `bin/` with them. All that are unpacked "
        "where empty.",
    )
    engine_dir: Path | None = Field(
        default=None,
        description="Where builds are unpacked, for all installations of a user; "
        "`~/.cache/shardhouse/engines` where absent.",
    )
    tls_prefers_openssl_3: bool = Field(
        default=False,
        description="Whether an instance with TLS gets a build linked with OpenSSL 3, if its "
        "release has one here, though another may be of a newer patch level.",
    )
    node_network: Annotated[list[str], NoDecode, BeforeValidator(_split)] = Field(
        default=["127.64.0.0/10"],
        description="Where node addresses come from: networks, addresses, ranges; see "
        "`docs/networks.md`. Linux answers on all of 127.0.0.0/8.",
    )
    public_network: Annotated[list[str], NoDecode, BeforeValidator(_split)] = Field(
        default=["127.200.0.0/24"],
        description="Where addresses of public IPs come from, written as those of `node_network`, "
        "of which it should be no part.",
    )
    node_domain: Annotated[str, AfterValidator(_domain)] | None = Field(
        default=None,
        description="Nodes of instances with TLS have names in this DNS domain beside their "
        "addresses.",
    )
    memory_scale: float = Field(
        default=1 / 16,
        gt=0,
        le=1,
        description="A node's memory is its flavor's times this; shown wherever a node's memory is "
        "shown.",
    )
    volume_scale: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="The share of a GB that a GB of a volume is, so that limits of volumes are met "
        "with little data. A full volume takes no more writes of users.",
    )
    backup: BackupSettings = BackupSettings()
    events: EventSettings = EventSettings()
    logs: LogSettings = LogSettings()
    lts: LtsSettings = LtsSettings()
    memory_reserve: int = Field(
        default=512,
        ge=0,
        description="MiB of memory that creating an instance must leave free on this machine.",
    )
    disk_reserve: int = Field(
        default=512,
        ge=0,
        description="MiB of disk that creating an instance must leave free where the data "
        "directory lies.",
    )
    router_metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Each of our routers serves Prometheus `/metrics` on this port of its own node "
        "address (`http://<node address>:<port>/metrics`, no login; where nodes share "
        "an address, as far above it as the node's port is above the instance's); a "
        "router started before shows it after its next start.",
    )
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="`serve` answers Prometheus at `http://<metrics_host>:<port>/metrics`, without "
        "a login, with the metrics of all projects; nowhere where absent.",
    )
    metrics_host: str = Field(
        default="127.0.0.1",
        description="Address at which it does.",
    )
    alarm_webhook: Annotated[SecretStr, AfterValidator(_webhook)] | None = Field(
        default=None,
        description="URL that alarm rules of Cloud Eye send JSON to when an alarm begins or ends.",
    )
    create_timeout: float = Field(
        default=300,
        gt=0,
        description="Seconds a creation may take before it ends as `createfail`.",
    )
    monitor_interval: float = Field(
        default=5,
        gt=0,
        description="Seconds between two looks of the monitor at an instance's own state, while "
        "all of it is well and it is not monitored by seconds.",
    )

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
    def offered_zones(self) -> list[str]:
        """Names of zones that lists show: those that are accepted, or three of the region's."""
        return self.zones or [f"{self.region}-0{number}" for number in (1, 2, 3)]

    @property
    def admin_file(self) -> Path:
        """Where the first administrator's credentials are kept, mode 0600."""
        return self.data_dir / "admin.json"

    @property
    def engine_folder(self) -> Path:
        """Where builds are unpacked: `engine_dir`, else the user's cache folder."""
        return (self.engine_dir or cache_folder() / "engines").expanduser().absolute()

    @property
    def backup_url(self) -> str:
        """Where backups are kept: `backup.url`, else a folder in the data directory."""
        return self.backup.url or (self.data_dir.absolute() / "backups").as_uri()

    @property
    def lts_url(self) -> str:
        """Where log streams are: `lts.url`, else a folder in the data directory."""
        return self.lts.url or (self.data_dir.absolute() / "lts").as_uri()

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the store."""
        return self.database_url or f"sqlite:///{self.data_dir / 'shardhouse.db'}"

    @property
    def alarm_url(self) -> str | None:
        """Where alarms are sent to."""
        return self.alarm_webhook.get_secret_value() if self.alarm_webhook else None

    @property
    def metrics_url(self) -> str:
        """SQLAlchemy URL of the rings of metrics: PostgreSQL if the store is there."""
        if self.database_url and not self.database_url.startswith("sqlite"):
            return self.database_url
        return f"sqlite:///{self.data_dir / 'metrics.db'}"

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
        return (self.dds_endpoint or self._own_url(self.port)).rstrip("/")

    def iam_url(self) -> str:
        """Where clients reach IAM, without version path or trailing slash."""
        return (self.iam_endpoint or self._own_url(self.iam_port)).rstrip("/")

    def _own_url(self, port: int) -> str:
        return endpoints.url("https" if self.tls_certificate else "http", self.host, port)


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """The settings of a model by their names (`backup.url`); those that belong together come
    last."""
    groups = []
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel) and not isinstance(field.default, Quotas):
            groups.append((name, type(field.default)))
        else:
            yield prefix + name, field
    for name, group in groups:
        yield from fields(group, f"{name}.")


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
    paths = ("data_dir", "tls_certificate", "tls_key", "tls_authority")
    given_paths = {name: path for name in paths if (path := getattr(settings, name)) is not None}
    absolute = {
        name: Path(os.path.abspath(path.expanduser())) for name, path in given_paths.items()
    }
    return settings.model_copy(update=absolute)
