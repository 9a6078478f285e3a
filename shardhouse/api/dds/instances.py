"""Instances: created and listed."""

from fastapi.responses import JSONResponse, Response

from shardhouse.api.dds import wire
from shardhouse.api.dds.state import ENGINE_HEADER
from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.instances import CreateBody, InstancesQuery
from shardhouse.store import instances
from shardhouse.store.instances import Filter


def create_instance(request: Request[Nothing, CreateBody]) -> JSONResponse:
    """Store and start a creation; the answer does not wait for it. With a `restore_point` the
    instance gets the data of a backup."""
    submit, source = request.service.submit, request.body.restore_point
    if source is None:
        accepted = submit.create(request.project_id, request.raw)
    else:
        accepted = submit.restore_new(request.project_id, request.raw, source)
    instance = accepted.instance
    headers = {ENGINE_HEADER: instance.engine_version}
    answer = wire.create_answer(instance, accepted.job)
    return JSONResponse(answer.model_dump(mode="json"), request.call.success, headers)


def list_instances(request: Request[InstancesQuery, Nothing]) -> Response:
    """One page, newest first. An unknown id is an empty page: clients rely on that."""
    query = request.query
    part = query.name.startswith("*")
    wanted = Filter(
        id=query.id,
        name="" if part else query.name,
        name_contains=query.name[1:] if part else "",
        mode=query.mode,
        vpc_id=query.vpc_id,
        subnet_id=query.subnet_id,
        tags=query.tags,
        after=query.marker,
    )
    with request.service.database.read() as connection:
        heads, total = instances.search(
            connection, request.project_id, wanted, query.offset, query.limit
        )
        items = b",".join(request.service.json_cache.items(connection, heads))
    versions = ",".join(sorted({head.engine_version for head in heads}))
    return Response(
        b'{"instances":[%b],"total_count":%d}' % (items, total),
        headers={ENGINE_HEADER: versions} if versions else None,
        media_type="application/json",
    )
