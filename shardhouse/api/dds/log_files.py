"""Files of nodes' logs: made on demand, and downloaded by links."""

from collections.abc import Sequence

from starlette.responses import FileResponse

from shardhouse import error_codes as codes
from shardhouse.api.dds import links
from shardhouse.api.dds.logs import nodes_with
from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.links import LinkQuery
from shardhouse.contract.logs import DOWNLOAD_FILE, LogFileItem, LogFilesAnswer, LogFilesBody
from shardhouse.domain.model import Node
from shardhouse.errors import DdsError, instance_not_found
from shardhouse.logs.lines import Kind
from shardhouse.store import instances
from shardhouse.workflows.log_exports import Export, ExportStatus


def download_slow(request: Request[Nothing, LogFilesBody]) -> LogFilesAnswer:
    """Files of slow operations, or how far they are. Raises DdsError: 404, 400 for a wrong node or
    name."""
    return _files(request, Kind.SLOW)


def download_errors(request: Request[Nothing, LogFilesBody]) -> LogFilesAnswer:
    """Files of warnings and errors. Raises DdsError as `download_slow` does."""
    return _files(request, Kind.ERROR)


def download(request: Request[LinkQuery, Nothing]) -> FileResponse:
    """What a link names. Raises GatewayError 401 for one that is not ours or has expired, DdsError
    404 where the instance is gone, 400 where the file is."""
    service = request.service
    links.check(service, DOWNLOAD_FILE, request.path, request.query)
    instance_id, name = request.path["instance_id"], request.path["file_name"]
    with service.database.read() as connection:
        instance = instances.load(connection, instance_id)
    if instance is None or instance.deleted_at is not None:
        raise instance_not_found(instance_id)
    path = service.log_exports.path(instance, name)
    if path is None:
        raise _no_file(name)
    return FileResponse(path, media_type="application/gzip", filename=name)


def _files(request: Request[Nothing, LogFilesBody], kind: Kind) -> LogFilesAnswer:
    body, exports = request.body, request.service.log_exports
    instance = request.instance()
    nodes = {node.id: node for node in nodes_with(instance, kind, body.node_id_list)}
    if body.file_name_list:
        found = []
        for name in body.file_name_list:
            node = next((node for id, node in nodes.items() if f"_{id}_" in name), None)
            export = exports.named(instance, node, kind, name) if node else None
            if export is None:
                raise _no_file(name)
            found.append(export)
    else:
        found = [exports.ask(instance, node, kind) for node in nodes.values()]
    items = [_file(request, nodes[export.node_id], export) for export in found]
    return LogFilesAnswer(list=items, status=_status(found), count=len(items))


def _file(request: Request[Nothing, LogFilesBody], node: Node, export: Export) -> LogFileItem:
    url = ""
    if export.status is ExportStatus.SUCCESS:
        names = {"instance_id": node.instance_id, "file_name": export.name}
        url, _ = links.link(request.service, DOWNLOAD_FILE, links.VALID_SECONDS, **names)
    updated = int(export.updated.timestamp() * 1000)
    return LogFileItem(
        node_name=node.name,
        file_name=export.name,
        status=export.status,
        file_size=str(-(-export.size // 1024)),
        file_link=url,
        updated_at=updated,
        update_at=updated,
    )


def _status(found: Sequence[Export]) -> str:
    statuses = {export.status for export in found}
    if ExportStatus.FAILED in statuses:
        return "FAILED"
    return "CREATING" if ExportStatus.EXPORTING in statuses else "FINISH"


def _no_file(name: str) -> DdsError:
    return DdsError(
        codes.FILE_NAME_INVALID,
        f"There is no file {name}, or none any more: call without file_name_list to have it made.",
    )
