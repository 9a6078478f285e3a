"""The recycle bin: deleted instances whose data can still be restored."""

from shardhouse.client.errors import RefusalError
from shardhouse.console import forms
from shardhouse.console.attempts import attempt
from shardhouse.console.session import PATH
from shardhouse.console.visit import Answer, Moved, Page, Visit
from shardhouse.contract.recycling import SET_RECYCLE_POLICY, SHOW_RECYCLE_POLICY


def listed(visit: Visit) -> Answer:
    """The table of what is in it, and how long that stays."""
    return _page(visit)


def policy_set(visit: Visit) -> Answer:
    """Another time to stay; the page again, with what is wrong, if it is refused."""
    body = forms.body_of(SET_RECYCLE_POLICY, {**visit.choices, "enabled": ("true",)})
    try:
        visit.client.call(SET_RECYCLE_POLICY, {}, body, {})
    except RefusalError as error:
        return _page(visit, error)
    return Moved(f"{PATH}/recycle-bin", "Instances that are deleted from now on stay so long.")


def _page(visit: Visit, error: RefusalError | None = None) -> Page:
    policy = attempt(
        lambda: visit.client.call(SHOW_RECYCLE_POLICY, {}, {}, {})["recycle_policy"], {}
    )
    present = {name: str(value) for name, value in policy.found.items()}
    asked = forms.of_call(SET_RECYCLE_POLICY, {}, {**present, **visit.form})
    shown = {
        "instances": list(visit.client.recycled()),
        "policy_problem": policy.problem,
        "fields": [one for one in asked if one.name != "enabled"],  # it cannot be switched off
        "problem": error.message if error else "",
    }
    return Page("recycle_bin.html", "Recycle bin", shown, error.status if error else 200)
