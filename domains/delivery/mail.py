"""Mail: single notices at once, digests at their hour. A mail holds sentences and links, never a value.

If the mail server fails, nothing else does: the notice is in the inbox already, and it is tried again later. A
crash between sending and noting it sends one a second time; none is lost, for it is noted as sent only afterwards.
"""

from __future__ import annotations

import logging
import smtplib
from collections import defaultdict
from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import QuerySet

from domains.delivery import routing, trying
from domains.delivery.models import Channel, Delivery
from domains.delivery.policy import Outcome
from domains.people.models import User

logger = logging.getLogger(__name__)

BATCH = 50
MOST_IN_DIGEST = 100  # lines; what is more is counted, and in the inbox


def send(now: datetime) -> int:
    """Send what is due and return how many mails went out; never raises for a mail server."""
    if not routing.has_mail_server():
        return 0
    due = trying.due(Channel.MAIL, now)
    letters = [[row] for row in due.filter(is_digest=False)[:BATCH]] + _digests(due.filter(is_digest=True))
    if not letters:
        return 0
    sent, server = 0, get_connection()
    for letter in letters:
        rows = [row for row in letter if _is_wanted(row) and trying.claim(row, now)]
        if not rows:
            continue
        outcome = _deliver(rows, server)
        trying.settle(rows, outcome)
        if outcome.code == "server_away":
            break  # the rest waits for its own turn
        sent += outcome.is_done
    return sent


def _digests(due: QuerySet[Delivery]) -> list[list[Delivery]]:
    """Gather what is due in digests, a letter for each person."""
    letters: dict[str, list[Delivery]] = defaultdict(list)
    for row in due[: BATCH * 20]:
        letters[row.reader.pk].append(row)
    return list(letters.values())


def _is_wanted(row: Delivery) -> bool:
    """Drop what need not be sent any more: to closed accounts, and in digests what was read since."""
    code = ""
    if not row.reader.is_active:
        code = "account_closed"
    elif row.is_digest and row.notice.read_at is not None:
        code = "read_already"
    if code:
        trying.drop(row, code)
    return not code


def _deliver(rows: list[Delivery], server: BaseEmailBackend) -> Outcome:
    """Send one mail about `rows`, all of one person."""
    person = rows[0].reader
    message = _single(rows[0], person) if not rows[0].is_digest else _digest(rows, person)
    message.connection = server
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused:
        logger.warning("mail refused", extra={"event": rows[0].notice.event})
        return Outcome("address_refused")
    except OSError:  # smtplib's own errors are among these
        logger.warning("mail server failed", extra={"event": rows[0].notice.event})
        return Outcome("server_away")
    return Outcome()


def _link(path: str) -> str:
    return settings.PUBLIC_URL.rstrip("/") + path


def _single(row: Delivery, person: User) -> EmailMessage:
    subject = f"{settings.NODE_TITLE}: something needs your eyes"
    return EmailMessage(subject, f"{row.notice.text}\n\n{_link(row.notice.path)}\n", to=[person.email])


def _digest(rows: list[Delivery], person: User) -> EmailMessage:
    number = f"{len(rows)} notice" + ("" if len(rows) == 1 else "s")
    lines = [f"- {row.notice.text}\n  {_link(row.notice.path)}" for row in rows[:MOST_IN_DIGEST]]
    if len(rows) > MOST_IN_DIGEST:
        lines.append(f"- and {len(rows) - MOST_IN_DIGEST} more in your inbox")
    footer = (
        f"Your inbox: {_link('/notices/')}\nWhat you are mailed, and when: {_link('/notices/settings/')}\n"
    )
    body = "\n".join(lines) + f"\n\n{footer}"
    return EmailMessage(f"{settings.NODE_TITLE}: {number} for you", body, to=[person.email])
