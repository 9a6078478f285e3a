"""The command line: mongos's own options, from arguments and from a mongos YAML file."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
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
    audit_filter_file: str | None = None
    audit_path: str | None = None
    argv: tuple[str, ...] = ()

    @property
    def access_control(self) -> bool:
        """Whether clients have to log in and privileges count: with a key file, as in mongos."""
        return self.key_file is not None

    @property
    def config_string(self) -> str:
        """`set/host:port,host:port` of the config servers."""
        return f"{self.config_set}/{','.join(self.config_members)}"

    @property
    def parsed(self) -> dict[str, Any]:
        """The options by section, as the configuration file has them."""
        return {
            "net": {"bindIp": ",".join(self.bind_ip), "port": self.port},
            **({"security": {"keyFile": str(self.key_file)}} if self.key_file else {}),
            "sharding": {"configDB": self.config_string},
        }


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
    "auditLog.path": "auditPath",
    "auditLog.filterFile": "auditFilterFile",
    "operationProfiling.slowOpThresholdMs": "slowms",
    "operationProfiling.slowOpSampleRate": "slowOpSampleRate",
    "systemLog.destination": "",
    "net.tls.allowInvalidHostnames": "tlsAllowInvalidHostnames",
    "net.tls.disabledProtocols": "tlsDisabledProtocols",
    "net.tls.CRLFile": "tlsCRLFile",
    "systemLog.path": "logpath",
    "systemLog.verbosity": "verbose",
    "net.ipv6": "",
    "systemLog.logAppend": "logappend",
    "processManagement.pidFilePath": "pidfilepath",
    "processManagement.fork": "fork",
}


def build_info() -> dict[str, Any]:
    """Which MongoDB this is a router for, as a mongos tells it."""
    return {
        "version": MONGODB_VERSION,
        "openSSLVersion": ssl.OPENSSL_VERSION,
        "modules": [],
        "environment": {"distmod": "shardhouse", "distarch": os.uname().machine},
    }


class _Parser(argparse.ArgumentParser):
    @property
    def switches(self) -> frozenset[str]:
        """Options that take no value."""
        return frozenset(action.dest for action in self._actions if action.nargs == 0)

    def error(self, message: str) -> NoReturn:
        raise OptionError(message)


class _Version(argparse.Action):
    """Prints what mongos prints, in a form that is told apart from it by `distmod`."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        build = json.dumps(build_info(), indent=4)
        print(f"mongos version v{MONGODB_VERSION}\nBuild Info: {build}")
        parser.exit()


def _parser() -> _Parser:
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
    add("--auditPath", metavar="FILE", help="where audited commands and logins are written")
    add(
        "--auditFilterFile",
        metavar="FILE",
        help="JSON that says what is audited; read as it changes",
    )
    add("--setParameter", action="append", metavar="NAME=VALUE")
    add("--config", "-f", metavar="FILE", help="a file with the same options, YAML or name=value")
    add("--verbose", nargs="?", const="v", metavar="V...", help="log more, the more v the more")
    add("-v", action="count", dest="v", help="the same, repeatable: -vv")
    add("--networkMessageCompressors", metavar="NAME,...", help="or `disabled`")
    add("--tlsMode", choices=TLS_MODES)
    add("--tlsCertificateKeyFile", metavar="FILE")
    add("--tlsCAFile", metavar="FILE")
    add("--tlsClusterFile", metavar="FILE")
    add("--tlsAllowConnectionsWithoutCertificates", action="store_true", default=None)
    add("--tlsAllowInvalidHostnames", action="store_true", default=None)
    add("--tlsDisabledProtocols", metavar="TLS1_2,...", help="or `none`")
    add("--tlsCRLFile", metavar="FILE")
    add("--ipv6", action="store_true", help="accepted; --bind_ip takes IPv6 addresses anyway")
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
        parameters={**_verbosity(values), **_parameters(values.get("setParameter", ()))},
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
        audit_filter_file=values.get("auditFilterFile"),
        audit_path=values.get("auditPath"),
        argv=tuple(argv),
    )
    if (options.audit_path is None) != (options.audit_filter_file is None):
        raise OptionError("--auditPath and --auditFilterFile go together")
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
    # A mongos has one more, which packs nothing; it needs no agreement here.
    names = tuple(name for name in _split(str(text)) if name != "noop")
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
        name, equals, value = map(str.strip, text.partition("="))
        if not equals or not name:
            raise OptionError(f"--setParameter must be NAME=VALUE, not {text!r}")
        parameters[name] = value
    return parameters


def _verbosity(values: Mapping[str, Any]) -> dict[str, str]:
    """The level of the log, as the parameter that changes it later."""
    told = values.get("verbose")
    if told is None:
        level = values.get("v", 0)
    elif isinstance(told, int):
        level = told
    elif told in ("true", "false"):
        level = int(told == "true")
    elif set(told) <= {"v"}:
        level = len(told)
    else:
        raise OptionError(f"--verbose takes letters v, not {told!r}")
    return {"logLevel": str(level)} if level else {}


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
    text = _readable("--config", name).read_text("utf-8")
    if _is_ini(text):
        return _from_ini(name, text)
    try:
        content = yaml.safe_load(text) or {}
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


_SETTING = re.compile(r"\s*(?P<name>\w+)\s*=\s*(?P<value>.*?)\s*$")


def _is_ini(text: str) -> bool:
    """Whether a configuration file has the old form: an option in each line, `name = value`."""
    lines = _settings(text)
    return bool(lines) and all(map(_SETTING.match, lines))


def _settings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]


def _from_ini(name: str, text: str) -> dict[str, Any]:
    """Options under their names on the command line; a switch is `true` or `false`."""
    parser = _parser()
    arguments: list[str] = []
    for line in _settings(text):
        found = _SETTING.match(line)
        assert found is not None
        option, value = found["name"], found["value"]
        if option not in parser.switches:
            arguments.append(f"--{option}={value}")
        elif value == "true":
            arguments.append(f"--{option}")
        elif value != "false":
            raise OptionError(f"--config: {option} in {name} must be true or false, not {value!r}")
    try:
        values = vars(parser.parse_args(arguments))
    except OptionError as error:
        raise OptionError(f"--config: {name}: {error}") from error
    return {option: value for option, value in values.items() if value not in (None, False)}


def _flatten(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in content.items():
        if isinstance(value, Mapping) and key != "setParameter":
            found += _flatten(value, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", value))
    return found
