"""The data of an instance, as a database user sees it whose password the visitor knows."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from shardhouse.client import uris
from shardhouse.client.errors import RefusalError
from shardhouse.console import explorer, one_instance
from shardhouse.console.database_login import DatabaseLogin
from shardhouse.console.explorer import Explorer, ExplorerError, Place, Question
from shardhouse.console.session import PATH
from shardhouse.console.visit import Answer, LoggedIn, Page, Visit, whole
from shardhouse.domain.model import Mode
from shardhouse.errors import IamError

Json = dict[str, Any]


def shown(visit: Visit) -> Answer:
    """The form of a login, or what there is: databases, collections, one collection."""
    found = one_instance.find(visit)
    if visit.database_login is None:
        return _login(found, "")
    asked = _question(visit.query)
    try:
        with explorer.connected(_place(visit, found), visit.database_login) as data:
            return _page(found, visit.database_login, data, asked)
    except ExplorerError as error:
        return _failed(found, visit.database_login, asked, error)


def answered(visit: Visit) -> Answer:
    """Documents of a collection, or how the server would find them."""
    found = one_instance.find(visit)
    if visit.database_login is None:
        return _login(found, "Log in again.")
    asked = _question(visit.form)
    try:
        with explorer.connected(_place(visit, found), visit.database_login) as data:
            if "explain" in visit.form:
                shown = {"plan": data.explain(asked)}
                return _page(found, visit.database_login, data, asked, **shown)
            return _page(found, visit.database_login, data, asked, answer=data.run(asked))
    except ExplorerError as error:
        return _failed(found, visit.database_login, asked, error)


def logged_in(visit: Visit) -> Answer:
    """A login that the server has accepted; the form again, with its words, if it did not, or after
    too many that failed."""
    found = one_instance.find(visit)
    login = DatabaseLogin(
        visit.form.get("user", ""),
        visit.form.get("password", ""),
        visit.form.get("database") or "admin",
    )
    if not login.user:  # which would be a connection without a login
        problem = "user: the name of a database user is expected."
        return replace(_login(found, problem, login), status=400)
    subject = f"{found['id']}/{login.database}/{login.user}"
    try:
        visit.throttle.check(visit.source, subject)
        with explorer.connected(_place(visit, found), login):
            visit.throttle.succeeded(visit.source, subject)
            return LoggedIn(_home(visit), login)
    except IamError as error:
        return replace(_login(found, error.message, login), status=error.status)
    except ExplorerError as error:
        if error.code == explorer.AUTHENTICATION_FAILED:
            visit.throttle.failed(visit.source, subject)
        return replace(_login(found, error.message, login), status=401)


def logged_out(visit: Visit) -> Answer:
    """The login is forgotten."""
    return LoggedIn(_home(visit), None)


def _login(instance: Json, problem: str, typed: DatabaseLogin | None = None) -> Page:
    return one_instance.page(
        "data_login.html",
        "data",
        instance,
        pause=0,
        problem=problem,
        user=typed.user if typed else instance["db_user_name"],
        database=typed.database if typed else "admin",
    )


def _page(
    instance: Json, login: DatabaseLogin, data: Explorer, asked: Question, **more: Any
) -> Page:
    shown: Json = {}
    if not asked.database:
        shown["databases"] = data.databases()
    elif not asked.collection:
        shown["collections"] = data.collections(asked.database)
    else:
        shown |= _collection(instance, data, asked)
    return _template(instance, login, asked, **{**shown, **more})


def _collection(instance: Json, data: Explorer, asked: Question) -> Json:
    """What is known of a collection besides its documents: without the parts that are `hidden` from
    the user, or that the server does not know, of a view for example, and says why."""
    facts: Json = {"hidden": [], "unknown": []}
    reads: dict[str, Callable[[str, str], Any]] = {"indexes": data.indexes, "sizes": data.sizes}
    if instance["mode"] == Mode.SHARDING:
        reads["chunks"] = data.chunks
    for name, read in reads.items():
        try:
            facts[name] = read(asked.database, asked.collection)
        except ExplorerError as error:
            if error.code == explorer.UNAUTHORIZED:
                facts["hidden"].append(name)
            else:
                facts["unknown"].append(error.message)
    return {"facts": facts}


def _failed(instance: Json, login: DatabaseLogin, asked: Question, error: ExplorerError) -> Page:
    page = _template(instance, login, asked, problem=error.message)
    return replace(page, status=400)


def _template(instance: Json, login: DatabaseLogin, asked: Question, **shown: Any) -> Page:
    known: Json = {
        "pause": 0,
        "login": login,
        "asked": asked,
        "problem": "",
        "databases": None,
        "collections": None,
        "facts": None,
        "answer": None,
        "plan": "",
        "most": explorer.MOST_DOCUMENTS,
    }
    return one_instance.page("data.html", "data", instance, **{**known, **shown})


def _question(typed: Mapping[str, str]) -> Question:
    """What was typed."""
    usual = Question("", "")
    return Question(
        typed.get("database", ""),
        typed.get("collection", ""),
        **{name: typed.get(name, "") for name in ("filter", "projection", "sort", "pipeline")},
        skip=whole(typed.get("skip", ""), usual.skip),
        limit=whole(typed.get("limit", ""), usual.limit),
    )


def _place(visit: Visit, instance: Json) -> Place:
    """Where an instance is. Raises RefusalError while it has no addresses."""
    hosts = uris.hosts(instance)
    if not hosts:
        raise RefusalError(404, "", f"The instance {instance['name']} has no addresses yet.")
    authority = one_instance.authority(visit, instance) if instance["ssl"] else None
    return Place(hosts, instance["replica_set"], authority)


def _home(visit: Visit) -> str:
    return f"{PATH}/instances/{visit.instance_id}/data"
