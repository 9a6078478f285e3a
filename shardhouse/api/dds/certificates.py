"""Certificates that clients of an instance should trust, at links that need no token."""

from fastapi.responses import Response

from shardhouse.api.dds import links
from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.changes import DOWNLOAD_CERTIFICATE, CertificateItem, CertificatesAnswer
from shardhouse.contract.links import LinkQuery
from shardhouse.domain.model import Status
from shardhouse.errors import instance_not_found
from shardhouse.store import instances

CATEGORY = "international"


def list_certificates(request: Request[Nothing, Nothing]) -> CertificatesAnswer:
    """One link, good for a quarter of an hour, to the certificates of the instance's authorities:
    there are two while one replaces the other."""
    instance = request.instance()
    if not instance.ssl:
        return CertificatesAnswer(certs=[])
    url, _ = links.link(request.service, DOWNLOAD_CERTIFICATE, instance_id=instance.id)
    return CertificatesAnswer(certs=[CertificateItem(category=CATEGORY, download_link=url)])


def download_certificate(request: Request[LinkQuery, Nothing]) -> Response:
    """What a link names. Raises GatewayError 401 for one that is not ours or has expired, DdsError
    404 where there is no such certificate any more."""
    links.check(request.service, DOWNLOAD_CERTIFICATE, request.path, request.query)
    instance_id = request.path["instance_id"]
    with request.service.database.read() as connection:
        instance = instances.load(connection, instance_id)
    if instance is None or not instance.ssl or instance.status is Status.DELETED:
        raise instance_not_found(instance_id)
    content = request.service.context.authority(instance)
    return Response(
        content,
        media_type="application/x-pem-file",
        headers={"Content-Disposition": f'attachment; filename="{instance_id}.pem"'},
    )
