"""`/v3/{project_id}/instances`: create, list, delete."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, Response

from shardhouse.api.authentication import Caller, dds_caller
from shardhouse.api.dds import wire
from shardhouse.api.dds.state import ENGINE_HEADER, Body, Given
from shardhouse.domain import rules
from shardhouse.domain.model import Mode
from shardhouse.errors import bad_parameter
from shardhouse.store import instances
from shardhouse.store.instances import Filter

router = APIRouter(prefix="/v3/{project_id}/instances")
ACCEPTED = 202


@router.post("")
def create_instance(
    project_id: str,
    _caller: Annotated[Caller, Depends(dds_caller("dds:instance:create"))],
    body: Body,
    service: Given,
) -> JSONResponse:
    """Store and start a creation; the reply does not wait for it."""
    instance, job = service.requests.create(project_id, body)
    headers = {ENGINE_HEADER: instance.engine_version}
    return JSONResponse(wire.create_answer(instance, job), ACCEPTED, headers)


@router.get("")
def list_instances(
    project_id: str,
    _caller: Annotated[Caller, Depends(dds_caller("dds:instance:list"))],
    service: Given,
    id: Annotated[str, Query()] = "",
    name: str | None = None,
    mode: str = "",
    datastore_type: str = "",
    vpc_id: str = "",
    subnet_id: str = "",
    tags: str = "",
    offset: str | None = None,
    limit: str | None = None,
    marker: str = "",
) -> Response:
    """One page, newest first. An unknown id is an empty page: clients rely on that."""
    if mode:
        rules.one_of("mode", mode, list(Mode), "DBS.280342")
    if datastore_type:
        rules.one_of("datastore_type", datastore_type, [wire.DATASTORE], "DBS.280235")
    start, size = rules.page(offset, limit)
    exact, contained = _name_filter(name)
    wanted = Filter(
        id=id,
        name=exact,
        name_contains=contained,
        mode=mode,
        vpc_id=vpc_id,
        subnet_id=subnet_id,
        tags=rules.tag_filter(tags) if tags else (),
        after=marker,
    )
    with service.database.read() as connection:
        heads, total = instances.search(connection, project_id, wanted, start, size)
        items = b",".join(service.rendered.items(connection, heads))
    versions = ",".join(sorted({head.engine_version for head in heads}))
    return Response(
        b'{"instances":[%b],"total_count":%d}' % (items, total),
        headers={ENGINE_HEADER: versions} if versions else None,
        media_type="application/json",
    )


@router.delete("/{instance_id}")
def delete_instance(
    project_id: str,
    instance_id: str,
    _caller: Annotated[Caller, Depends(dds_caller("dds:instance:deleteInstance"))],
    service: Given,
) -> JSONResponse:
    """The instance is gone for every client at once; the job removes what it was made of."""
    job = service.requests.delete(project_id, instance_id)
    return JSONResponse({"job_id": job.id}, ACCEPTED)


def _name_filter(name: str | None) -> tuple[str, str]:
    """Exact name, or the part after a leading `*`, which a name must contain."""
    if not name:
        return "", ""
    if not name.startswith("*"):
        return name, ""
    if len(name) == 1:
        raise bad_parameter(
            "name", "`*` must be followed by a part of the name, got `*` alone", "DBS.280234"
        )
    return "", name[1:]
