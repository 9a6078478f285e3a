"""Passwords of database users. They go to MongoDB at once and are kept nowhere else."""

from shardhouse import error_codes as codes
from shardhouse.api.dds.answering import answering
from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.passwords import CheckBody, JudgeAnswer, JudgeBody, ResetBody
from shardhouse.domain import passwords, rules
from shardhouse.errors import DdsError, MongoError
from shardhouse.mongo import login
from shardhouse.mongo.replica_set import find_primary
from shardhouse.mongo.wait import Deadline
from shardhouse.workflows import router_users
from shardhouse.workflows.context import set_plan, user_group

CHANGE_SECONDS = 20.0


def reset(request: Request[Nothing, ResetBody]) -> Nothing:
    """Change it on the members that hold users, and see that all routers know."""
    body, instance = request.body, request.ready_instance()
    rules.refuse_internal_user("user_name", body.user_name)
    context = request.service.context
    whose = (body.user_name, body.db_name, body.user_pwd)
    try:
        with context.clients(instance) as clients:
            hosts = set_plan(user_group(instance)).visible
            login.set_password(hosts, *whose, clients, Deadline(CHANGE_SECONDS))
    except MongoError as error:
        raise DdsError(codes.PASSWORD_NOT_CHANGED, error.message) from None
    router_users.await_password(context, instance, *whose)
    return Nothing()


def check(request: Request[Nothing, CheckBody]) -> Nothing:
    """Log in where users live. Raises DdsError 400 for a wrong user name or password, 403 while
    the instance does not answer."""
    body, instance = request.body, request.ready_instance()
    context = request.service.context
    authority = context.authority_file(instance)
    with answering(instance):
        with context.clients(instance) as clients:
            primary = find_primary(set_plan(user_group(instance)).visible, clients)
        if primary is None:
            raise MongoError("there is no primary of the replica set that holds users.")
        right = login.works(primary, body.user_name, body.db_name, body.user_pwd, authority)
    if not right:
        raise DdsError(
            codes.CREDENTIALS_INVALID,
            f"The password is not that of user {body.user_name} on database {body.db_name}, or "
            "there is no such user.",
        )
    return Nothing()


def judge(request: Request[Nothing, JudgeBody]) -> JudgeAnswer:
    """Whether a password is weak."""
    return JudgeAnswer(weak=passwords.is_weak(request.body.password))
