"""A program that asks the API, over the application of a `Desk`.

shop = Program.of(desk, "warehouse")            # a token with these scopes
answer = shop.orders("hold.place", batch="B1", reason="A sample failed.")
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from werkzeug.test import TestResponse

from portal.tokens import Wanted, issue
from tests.staff import Desk


@dataclass
class Program:
    """Whoever has a token, and asks with it."""

    desk: Desk
    secret: str
    actor: str
    asked: int = 0

    @classmethod
    def of(cls, desk: Desk, *scopes: str, about: str | None = None, days: int = 30) -> "Program":
        now = desk.world.clock.now()
        name = f"Program {desk.world.size()}"
        wanted = Wanted(name, "program", scopes, now + timedelta(days=days), about)
        made = issue(desk.world.ledger, desk.state, wanted, now=now)
        return cls(desk, made.secret, made.token.actor)

    def asks(self, address: str, method: str = "GET", **how: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.secret}", **how.pop("headers", {})}
        return self.desk.app.test_client().open(f"/api/v1/{address}", method=method, headers=headers, **how)

    def orders(self, name: str, /, key: str | None = None, **fields: Any) -> TestResponse:
        """Sends an order, each under a key of its own unless one is given."""
        self.asked += 1
        headers = {"Idempotency-Key": key or f"{self.actor}-{self.asked}"}
        return self.asks(f"commands/{name}", "POST", json=fields, headers=headers)
