"""The command line: mongos's own options, from arguments and from a mongos YAML file."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from shardhouse.router import MONGODB_VERSION
from shardhouse.router.wire import compression

TLS_MODES = ("disabled", "allowTLS", "preferTLS", "requireTLS")
TLS_PROTOCOLS: Mapping[str, int] = {
    "TLS1_0": ssl.OP_NO_TLSv1,
    "TLS1_1": ssl.OP_NO_TLSv1_1,
    "TLS1_2": ssl.OP_NO_TLSv1_2,
    "TLS1_3": ssl.OP_NO_TLSv1_3,
}

_N = TypeVar("_N", int, float)


class OptionError(ValueError):
    """An option is missing, unknown or unusable; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the router was asked to be."""

    config_set: str
    config_members: tuple[str, ...]
    key_file: Path | None = None
    fork: bool = False
    port: int = 27017
    bind_ip: tuple[str, ...] = ("127.0.0.1",)
    log_path: str | None = None
    log_append: bool = False
    pid_file: str | None = None
    max_connections: int = 65536
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics_port: int | None = None
    metrics_bind_ip: str = "127.0.0.1"
    slow_milliseconds: int = 100
    slow_sample_rate: float = 1.0
    compressors: tuple[str, ...] = tuple(compression.IDS)
    tls_mode: str = "disabled"
    tls_certificate: str | None = None
    tls_ca: str | None = None
    tls_cluster: str | None = None
    tls_allow_without_certificates: bool = False
    tls_allow_invalid_hostnames: bool = False
    tls_disabled_protocols: tuple[str, ...] = ()
    tls_crl: str | None = None
    argv: tuple[str, ...] = ()

    @property
    def access_control(self) -> bool:
        """Whether clients have to log in and privileges count: with a key file, as in mongos."""
        return self.key_file is not None

    @property
    def config_string(self) -> str:
        """`set/host:port,host:port` of the config servers."""
        return f"{self.config_set}/{','.join(self.config_members)}"


_FILE_KEYS = {
    "sharding.configDB": "configdb",
    "security.keyFile": "keyFile",
    "net.port": "port",
    "net.bindIp": "bind_ip",
    "net.maxIncomingConnections": "maxConns",
    "net.unixDomainSocket.enabled": "",
    "net.compression.compressors": "networkMessageCompressors",
    "net.tls.mode": "tlsMode",
    "net.tls.certificateKeyFile": "tlsCertificateKeyFile",
    "net.tls.CAFile": "tlsCAFile",
    "net.tls.clusterFile": "tlsClusterFile",
    "net.tls.allowConnectionsWithoutCertificates": "tlsAllowConnectionsWithoutCertificates",
    "metrics.port": "metricsPort",
    "metrics.bindIp": "metricsBindIp",
    "operationProfiling.slowOpThresholdMs": "slowms",
    "operationProfiling.slowOpSampleRate": "slowOpSampleRate",
    "systemLog.destination": "",
    "net.tls.allowInvalidHostnames": "tlsAllowInvalidHostnames",
    "net.tls.disabledProtocols": "tlsDisabledProtocols",
    "net.tls.CRLFile": "tlsCRLFile",
    "systemLog.path": "logpath",
    "systemLog.logAppend": "logappend",
    "processManagement.pidFilePath": "pidfilepath",
    "processManagement.fork": "fork",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionError(message)


class _Version(argparse.Action):
    """Prints what mongos prints, in a form that is told apart from it by `distmod`."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        build = {
            "version": MONGODB_VERSION,
            "openSSLVersion": ssl.OPENSSL_VERSION,
            "modules": [],
            "environment": {"distmod": "shardhouse", "distarch": os.uname().machine},
        }
        print(f"mongos version v{MONGODB_VERSION}\nBuild Info: {json.dumps(build, indent=4)}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="shardhouse router",
        description="A query router for MongoDB sharded clusters, started like mongos.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--configdb", metavar="SET/HOST:PORT,...", help="the config servers")
    add("--keyFile", metavar="FILE", help="the key members share; without it, no access control")
    add("--port", type=int, metavar="N")
    add("--bind_ip", metavar="ADDRESS,...")
    add("--logpath", metavar="FILE")
    add("--logappend", action="store_true", default=None)
    add("--pidfilepath", metavar="FILE")
    add("--fork", action="store_true", default=None, help="go on in the background; needs a log")
    add("--maxConns", type=int, metavar="N")
    add("--metricsPort", type=int, metavar="N", help="serve /metrics for Prometheus on this port")
    add("--metricsBindIp", metavar="ADDRESS", help="there; loopback unless given, no login")
    add("--slowms", type=int, metavar="MS", help="log operations that take longer")
    add("--slowOpSampleRate", type=float, metavar="0..1", help="the part of them that is logged")
    add("--setParameter", action="append", metavar="NAME=VALUE")
    add("--config", "-f", metavar="FILE", help="a YAML file with the same options")
    add("--networkMessageCompressors", metavar="NAME,...", help="or `disabled`")
    add("--tlsMode", choices=TLS_MODES)
    add("--tlsCertificateKeyFile", metavar="FILE")
    add("--tlsCAFile", metavar="FILE")
    add("--tlsClusterFile", metavar="FILE")
    add("--tlsAllowConnectionsWithoutCertificates", action="store_true", default=None)
    add("--tlsAllowInvalidHostnames", action="store_true", default=None)
    add("--tlsDisabledProtocols", metavar="TLS1_2,...", help="or `none`")
    add("--tlsCRLFile", metavar="FILE")
    add("--nounixsocket", action="store_true", help="accepted; there never is a Unix socket")
    add("--version", action=_Version, nargs=0, help="say which MongoDB this is a router for")
    return parser


def parse(argv: Sequence[str]) -> Options:
    """Options from arguments, which win over those of `--config`; OptionError if they are wrong."""
    arguments = vars(_parser().parse_args(argv))
    given = {
        name: value for name, value in arguments.items() if value is not None and value is not False
    }
    values: dict[str, Any] = {**_from_file(given.get("config")), **given}
    name, members = _config_servers(values.get("configdb"))
    options = Options(
        config_set=name,
        config_members=members,
        key_file=_readable("--keyFile", values["keyFile"]) if "keyFile" in values else None,
        port=_port("--port", values.get("port", 27017)),
        bind_ip=tuple(_split(values.get("bind_ip", "127.0.0.1"))),
        log_path=values.get("logpath"),
        log_append=bool(values.get("logappend")),
        fork=bool(values.get("fork")),
        pid_file=values.get("pidfilepath"),
        max_connections=int(values.get("maxConns", 65536)),
        parameters=_parameters(values.get("setParameter", ())),
        metrics_port=_port("--metricsPort", values["metricsPort"])
        if "metricsPort" in values
        else None,
        metrics_bind_ip=str(values.get("metricsBindIp", "127.0.0.1")),
        slow_milliseconds=_number("--slowms", values.get("slowms", 100), -1, 2**31 - 1, int),
        slow_sample_rate=_number(
            "--slowOpSampleRate", values.get("slowOpSampleRate", 1.0), 0, 1, float
        ),
        compressors=_compressors(values.get("networkMessageCompressors")),
        tls_mode=values.get("tlsMode", "disabled"),
        tls_certificate=values.get("tlsCertificateKeyFile"),
        tls_ca=values.get("tlsCAFile"),
        tls_cluster=values.get("tlsClusterFile"),
        tls_allow_without_certificates=bool(values.get("tlsAllowConnectionsWithoutCertificates")),
        tls_allow_invalid_hostnames=bool(values.get("tlsAllowInvalidHostnames")),
        tls_disabled_protocols=_protocols(values.get("tlsDisabledProtocols", "none")),
        tls_crl=values.get("tlsCRLFile"),
        argv=tuple(argv),
    )
    if options.fork and options.log_path is None:
        raise OptionError("--fork has to be used with --logpath")
    _check_tls(options)
    return options


def _config_servers(text: object) -> tuple[str, tuple[str, ...]]:
    if not isinstance(text, str) or not text:
        raise OptionError("--configdb is required: --configdb SET/HOST:PORT[,HOST:PORT...]")
    name, slash, hosts = text.partition("/")
    members = tuple(_split(hosts))
    if not slash or not name or not members:
        raise OptionError(f"--configdb must be SET/HOST:PORT[,HOST:PORT...], not {text!r}")
    for member in members:
        host, _, port = member.rpartition(":")
        if not host or not port.isdigit():
            raise OptionError(f"--configdb: {member!r} is not HOST:PORT")
    return name, members


def _readable(option: str, value: object) -> Path:
    if not isinstance(value, str):
        raise OptionError(f"{option} is required")
    path = Path(value)
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise OptionError(f"{option}: cannot read {value}: {error.strerror}") from error


def _port(option: str, value: object) -> int:
    if isinstance(value, int) and 0 < value < 65536:
        return value
    raise OptionError(f"{option} must be 1 to 65535, not {value!r}")


def _number(option: str, value: object, low: int, high: int, kind: type[_N]) -> _N:
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return kind(value)
    raise OptionError(f"{option} must be {low} to {high}, not {value!r}")


def _compressors(text: object) -> tuple[str, ...]:
    if text is None:
        return tuple(compression.IDS)
    if text == "disabled":
        return ()
    names = tuple(_split(str(text)))
    for name in names:
        if name not in compression.IDS:
            known = ", ".join(compression.IDS)
            raise OptionError(f"--networkMessageCompressors: {name!r} is none of {known}")
    return names


def _protocols(text: object) -> tuple[str, ...]:
    names = () if text == "none" else tuple(_split(str(text)))
    for name in names:
        if name not in TLS_PROTOCOLS:
            known = ", ".join(TLS_PROTOCOLS)
            raise OptionError(f"--tlsDisabledProtocols: {name!r} is none of {known}")
    if set(names) >= {"TLS1_2", "TLS1_3"}:  # older ones are off anyway
        raise OptionError("--tlsDisabledProtocols leaves no protocol: TLS1_2 or TLS1_3 must stay")
    return names


def _split(text: str) -> list[str]:
    return [part.strip() for part in str(text).split(",") if part.strip()]


def _parameters(values: Sequence[str] | Mapping[str, Any]) -> dict[str, str]:
    if isinstance(values, Mapping):
        return {name: str(value) for name, value in values.items()}
    parameters = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise OptionError(f"--setParameter must be NAME=VALUE, not {text!r}")
        parameters[name] = value
    return parameters


def _check_tls(options: Options) -> None:
    if options.tls_mode not in TLS_MODES:
        raise OptionError(f"--tlsMode must be one of {TLS_MODES}, not {options.tls_mode!r}")
    if options.tls_mode == "disabled":
        return
    if not options.tls_certificate or not options.tls_ca:
        raise OptionError("TLS needs --tlsCertificateKeyFile and --tlsCAFile")
    _readable("--tlsCertificateKeyFile", options.tls_certificate)
    _readable("--tlsCAFile", options.tls_ca)
    if options.tls_crl:
        _readable("--tlsCRLFile", options.tls_crl)
    if options.tls_cluster:
        _readable("--tlsClusterFile", options.tls_cluster)


def _from_file(name: str | None) -> dict[str, Any]:
    if name is None:
        return {}
    yaml = importlib.import_module("yaml")  # only a start with --config pays for it
    try:
        content = yaml.safe_load(_readable("--config", name).read_text("utf-8")) or {}
    except yaml.YAMLError as error:
        raise OptionError(f"--config: {name} is not YAML: {error}") from error
    if not isinstance(content, Mapping):
        raise OptionError(f"--config: {name} must hold sections such as `net:` and `sharding:`")
    values: dict[str, Any] = {}
    for key, value in _flatten(content):
        if key not in _FILE_KEYS and key != "setParameter":
            raise OptionError(f"--config: {key} is not an option of the router")
        values[_FILE_KEYS.get(key, key)] = value
    values.pop("", None)
    return values


def _flatten(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in content.items():
        if isinstance(value, Mapping) and key != "setParameter":
            found += _flatten(value, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", value))
    return found
