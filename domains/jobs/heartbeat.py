"""Keeps a claim alive while its handler works."""

from __future__ import annotations

import logging
from threading import Thread
from types import TracebackType

from django.conf import settings
from django.db import DatabaseError, connection

from domains.jobs import actions

log = logging.getLogger(__name__)


class Heartbeat:
    """Renews a claim from its own thread, three times per lease, until the block ends or it is lost."""

    def __init__(self, claim: actions.Claim) -> None:
        self._claim = claim
        self._thread = Thread(target=self._beat, name=f"heartbeat-{claim.job.pk}", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._claim.lost.set()
        self._thread.join()

    def _beat(self) -> None:
        try:
            while not self._claim.lost.wait(settings.JOB_LEASE_SECONDS / 3):
                self._renew()
        finally:
            connection.close()

    def _renew(self) -> None:
        """Renew once. A database that is briefly away is met again at the next beat; the fence protects."""
        try:
            actions.renew(self._claim)
        except actions.ClaimLost:
            pass  # `lost` is set; the handler's next step tells it
        except DatabaseError as error:
            log.warning("a lease was not renewed", extra={"job": self._claim.job.pk}, exc_info=error)
