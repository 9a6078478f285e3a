"""The whole of IAM, put together once at start."""

from collections.abc import Callable
from dataclasses import dataclass

from shardhouse.iam.access_keys import AccessKeys
from shardhouse.iam.assignments import Assignments
from shardhouse.iam.clock import Clock, utc_now
from shardhouse.iam.passwords import Passwords
from shardhouse.iam.projects import Projects
from shardhouse.iam.temporary_keys import TemporaryKeys
from shardhouse.iam.throttle import Throttle
from shardhouse.iam.tokens import Tokens
from shardhouse.iam.turns import Turns
from shardhouse.iam.users import Users
from shardhouse.store.database import Database
from shardhouse.store.vault import Vault


@dataclass(frozen=True)
class Iam:
    """What the HTTP layer calls; one field per noun. Whatever hashes a password is to be called
    through `turns`.
    """

    tokens: Tokens
    access_keys: AccessKeys
    temporary_keys: TemporaryKeys
    users: Users
    projects: Projects
    assignments: Assignments
    passwords: Passwords
    turns: Turns

    @classmethod
    def over(
        cls,
        database: Database,
        vault: Vault,
        *,
        clock: Clock = utc_now,
        project_in_use: Callable[[str], bool] = lambda _id: False,
    ) -> "Iam":
        """IAM over a store. `project_in_use` says whether a project still owns instances."""
        passwords = Passwords(vault, clock)
        logins = Throttle(clock)
        temporary = TemporaryKeys(vault, clock)
        return cls(
            tokens=Tokens(database, vault, passwords, logins, clock),
            access_keys=AccessKeys(database, vault, temporary, clock),
            temporary_keys=temporary,
            users=Users(database, passwords, logins, clock),
            projects=Projects(database, clock, project_in_use),
            assignments=Assignments(database),
            passwords=passwords,
            turns=Turns(),
        )
