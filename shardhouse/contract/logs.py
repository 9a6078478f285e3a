"""Logs of nodes: slow operations, warnings and errors; read in pages, and as files."""

from typing import Annotated, Any

from pydantic import Field

from shardhouse import error_codes as codes
from shardhouse.contract.call import Call, Method, Wire
from shardhouse.contract.fields import Limit, integer, one_of
from shardhouse.contract.instances import INSTANCE
from shardhouse.contract.links import LinkQuery
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules
from shardhouse.error_codes import ErrorCode

MOST = 2000
"""Lines that `offset` reaches."""
DAYS = 31
"""Days that can be looked back."""
FORWARDS, BACKWARDS = "forwards", "backwards"
OPERATIONS = ("INSERT", "QUERY", "UPDATE", "REMOVE", "GETMORE", "COMMAND", "KILLCURSORS")
LEVELS = ("WARNING", "ERROR")
_SLOW = "dds:instance:listSlowLog"
_ERROR = "dds:instance:listErrorLog"
_NODES = "A node of the instance; without it all that have such a log."
_V31 = INSTANCE.replace("/v3/", "/v3.1/")


def _moment(code: ErrorCode) -> Rule:
    return Rule(lambda field, value: rules.moment(field, value, code))


def _word(*allowed: str) -> Rule:
    return Rule(lambda field, value: rules.one_word(field, value, allowed, codes.LOG_TYPE_INVALID))


def _words(longest: int, most: int = 10) -> Rule:
    return Rule(lambda field, value: rules.words(field, value, longest, most))


Start = Annotated[
    Any,
    _moment(codes.LOG_START_INVALID),
    Field(description=f"`yyyy-mm-ddThh:mm:ss+0000`; at most {DAYS} days ago."),
]
End = Annotated[
    Any,
    _moment(codes.LOG_END_INVALID),
    Field(description="`yyyy-mm-ddThh:mm:ss+0000`; not in the future."),
]
NodeId = Annotated[str, Field(description=_NODES)]
Operation = Annotated[
    str, _word(*OPERATIONS), Field(description=f"{', '.join(OPERATIONS)}; all where empty.")
]
Level = Annotated[str, _word(*LEVELS), Field(description="`Warning` or `Error`; both where empty.")]
Words = Annotated[
    list[str],
    _words(512),
    Field(
        description="At most 10 of 1 to 512 characters. A line has all of them; case is ignored."
    ),
]


class LogQuery(Wire):
    """Which lines: of what time and nodes, and which page of them."""

    start_date: Start
    end_date: End
    node_id: NodeId = ""
    offset: Annotated[
        int,
        integer(0, MOST - 1, codes.OFFSET_INVALID),
        Field(description=f"Lines to skip, from 0; with `limit` at most {MOST}."),
    ] = 0
    limit: Limit = 10


class SlowLogQuery(LogQuery):
    """And of what type."""

    type: Operation = ""


class ErrorLogQuery(LogQuery):
    """And of what level."""

    type: Level = ""


class SlowLogItem(Wire):
    """An operation. `time` is in ms, `lock_time` in us, with the units; these and the numbers of
    documents returned and examined are text. `query_sample` is JSON."""

    node_name: str
    query_sample: str
    type: str
    time: str
    lock_time: str
    rows_sent: str
    rows_examined: str
    database: str
    start_time: str


class SlowLogAnswer(Wire):
    """One page, the newest line first. `total_record` ends at 2000."""

    slow_log_list: list[SlowLogItem]
    total_record: int


class ErrorLogItem(Wire):
    """A line of the log; `level` is `WARNING` or `ERROR`."""

    node_name: str
    level: str
    time: str
    content: str


class ErrorLogAnswer(Wire):
    """One page, the newest line first. `total_record` ends at 2000."""

    error_log_list: list[ErrorLogItem]
    total_record: int


class _LinesBody(Wire):
    start_time: Start
    end_time: End
    limit: Limit
    line_num: Annotated[
        str, Field(description="The number of the line behind which to go on; the last page's.")
    ] = ""
    node_id: NodeId = ""
    keywords: Words = Field(default_factory=list)


class SlowLinesBody(_LinesBody):
    """Which lines: of what time and nodes, about what, and behind which line."""

    operate_type: Operation = ""
    database_keywords: Annotated[
        list[str],
        _words(64),
        Field(description="At most 10 of 1 to 64 characters. A database's name has one of them."),
    ] = Field(default_factory=list)
    collection_keywords: Annotated[
        list[str],
        _words(128),
        Field(
            description="At most 10 of 1 to 128 characters. A collection's name has one of them."
        ),
    ] = Field(default_factory=list)
    min_cost_time: Annotated[
        int, integer(0, 1 << 40), Field(description="Milliseconds, included.")
    ] = 0
    max_cost_time: Annotated[
        int | None, integer(0, 1 << 40), Field(description="Milliseconds, included.")
    ] = None


class ErrorLinesBody(_LinesBody):
    """Which lines: of what time and nodes, how severe, and behind or before which line."""

    severity: Level = ""
    search_type: Annotated[
        str,
        one_of(FORWARDS, BACKWARDS),
        Field(description="`backwards` for the page before `line_num` instead of the one behind."),
    ] = FORWARDS


class SlowLine(Wire):
    """An operation: `cost_time` in ms, `lock_time` in us. `ShowAdvice` recommends indexes, so
    `index_recommendation` is empty here."""

    node_name: str
    node_id: str
    whole_message: str
    operate_type: str
    cost_time: int
    lock_time: int
    docs_returned: int
    docs_scanned: int
    database: str
    collection: str
    log_time: str
    line_num: str
    index_recommendation: str


class SlowLinesAnswer(Wire):
    """One page, the newest line first; the last one where there are fewer than `limit`."""

    slow_logs: list[SlowLine]


class ErrorLine(Wire):
    """A line of the log; `severity` is `Warning` or `Error`."""

    node_name: str
    node_id: str
    raw_message: str
    severity: str
    log_time: str
    line_num: str


class ErrorLinesAnswer(Wire):
    """One page, the newest line first; the last one where there are fewer than `limit`."""

    error_logs: list[ErrorLine]


class LogFilesBody(Wire):
    """Which files; those of all nodes where nothing is given."""

    file_name_list: Annotated[
        list[str],
        _words(256, 1000),
        Field(description="Names of files that an earlier answer had."),
    ] = Field(default_factory=list)
    node_id_list: Annotated[
        list[str],
        _words(64, 1000),
        Field(description="Nodes of the instance."),
    ] = Field(default_factory=list)


class LogFileItem(Wire):
    """A node's file. `status` is `EXPORTING`, `SUCCESS` or `FAILED`, `file_size` KB as text. When
    it was written stands there twice, in milliseconds since 1970: documents and clients differ in
    what they call it."""

    node_name: str
    file_name: str
    status: str
    file_size: str
    file_link: str
    updated_at: int
    update_at: int


class LogFilesAnswer(Wire):
    """The files. `status` is `CREATING` until all are there, then `FINISH`, or `FAILED`. A file's
    link is good for a quarter of an hour."""

    list: list[LogFileItem]
    status: str
    count: int


_TIMES = {"start_time": "2026-01-01T00:00:00+0000", "end_time": "2026-01-02T00:00:00+0000"}
_NAME = "0" * 32 + "_" + "0" * 32 + "no02_{}_20260101000000.gz"
LIST_SLOW = Call(
    "ListSlowLogs",
    Method.GET,
    f"{INSTANCE}/slowlog",
    summary="Slow operations of clients, as the nodes that hold data have logged them.",
    permission=_SLOW,
    query=SlowLogQuery,
    answer=SlowLogAnswer,
)
LIST_ERRORS = Call(
    "ListErrorLogs",
    Method.GET,
    f"{INSTANCE}/errorlog",
    summary="Warnings and errors that nodes have logged.",
    permission=_ERROR,
    query=ErrorLogQuery,
    answer=ErrorLogAnswer,
)
LIST_SLOW_LINES = Call(
    "ListLtsSlowLogs",
    Method.POST,
    f"{_V31}/slow-logs",
    summary="Slow operations of clients, page by page without an end, by what they contain.",
    permission=_SLOW,
    body=SlowLinesBody,
    example=_TIMES | {"limit": 100, "operate_type": "QUERY", "database_keywords": ["shop"]},
    answer=SlowLinesAnswer,
    reads=True,
)
LIST_ERROR_LINES = Call(
    "ListLtsErrorLogs",
    Method.POST,
    f"{_V31}/error-logs",
    summary="Warnings and errors that nodes have logged, page by page without an end, by what they "
    "contain.",
    permission=_ERROR,
    body=ErrorLinesBody,
    example=_TIMES | {"limit": 100, "severity": "Warning"},
    answer=ErrorLinesAnswer,
    reads=True,
)
DOWNLOAD_SLOW = Call(
    "DownloadSlowlog",
    Method.POST,
    f"{INSTANCE}/slowlog-download",
    summary="Have files made of the nodes' slow operations, and get links to them: the first call "
    "begins, the next ones say how far it is.",
    permission="dds:instance:downloadSlowLog",
    body=LogFilesBody,
    example={"file_name_list": [_NAME.format("slowlog")]},
    answer=LogFilesAnswer,
    reads=True,
)
DOWNLOAD_ERRORS = Call(
    "DownloadErrorlog",
    Method.POST,
    f"{INSTANCE}/errorlog-download",
    summary="The same, of warnings and errors.",
    permission="dds:instance:downloadErrorLog",
    body=LogFilesBody,
    example={"file_name_list": [_NAME.format("errorlog")]},
    answer=LogFilesAnswer,
    reads=True,
)
DOWNLOAD_FILE = Call(
    "DownloadLogFile",
    Method.GET,
    "/v3/log-files/{instance_id}/{file_name}",
    summary="The file that a link names: lines of a node's log, compressed with gzip.",
    query=LinkQuery,
    addition=True,
)
CALLS = (
    LIST_SLOW,
    LIST_ERRORS,
    LIST_SLOW_LINES,
    LIST_ERROR_LINES,
    DOWNLOAD_SLOW,
    DOWNLOAD_ERRORS,
    DOWNLOAD_FILE,
)
