"""The data of an instance, as a database user sees it whose password the visitor knows."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shardhouse.client import uris
from shardhouse.client.errors import RefusalError
from shardhouse.console import explorer, one_instance
from shardhouse.console.database_login import DatabaseLogin
from shardhouse.console.explorer import Explorer, ExplorerError, Place, Question
from shardhouse.console.session import PATH
from shardhouse.console.visit import Answer, LoggedIn, Page, Visit
from shardhouse.contract.changes import LIST_CERTIFICATES

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
    """A login that the server has accepted; the form again, with its words, if it did not."""
    found = one_instance.find(visit)
    login = DatabaseLogin(
        visit.form.get("user", ""),
        visit.form.get("password", ""),
        visit.form.get("database") or "admin",
    )
    try:
        with explorer.connected(_place(visit, found), login):
            return LoggedIn(_home(visit), login)
    except ExplorerError as error:
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
        shown |= _collection(data, asked)
    return _template(instance, login, asked, **{**shown, **more})


def _collection(data: Explorer, asked: Question) -> Json:
    """What is known of a collection besides its documents; of a view, or for a user who may not
    read it, a part is missing, which the server explains."""
    facts: Json = {"unknown": []}
    where = asked.database, asked.collection
    for name, read in (("indexes", data.indexes), ("sizes", data.sizes), ("chunks", data.chunks)):
        try:
            facts[name] = read(*where)
        except ExplorerError as error:
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
        skip=_number(typed.get("skip", ""), usual.skip),
        limit=_number(typed.get("limit", ""), usual.limit),
    )


def _number(text: str, usual: int) -> int:
    """A whole number; the usual one for what is none, or is none that a server takes."""
    return int(text) if text.isdecimal() and len(text) < 10 else usual


def _place(visit: Visit, instance: Json) -> Place:
    """Where an instance is. Raises RefusalError while it has no addresses."""
    hosts = uris.hosts(instance)
    if not hosts:
        raise RefusalError(404, "", f"The instance {instance['name']} has no addresses yet.")
    authority = None
    if instance["ssl"]:
        certificates = visit.client.call(
            LIST_CERTIFICATES, {"instance_id": instance["id"]}, {}, {}
        )["certs"]
        with visit.client.download(certificates[0]["download_link"]) as (_, parts):
            authority = b"".join(parts).decode()
    return Place(hosts, instance["replica_set"], authority)


def _home(visit: Visit) -> str:
    return f"{PATH}/instances/{visit.instance_id}/data"
