"""Mail: sends what the outbox holds, after the deciding transaction and apart from it.

A mail holds a sentence and a link, never a value. If the mail server fails, nothing else does: the notice is
in the inbox already, and it is tried again later. A crash between sending and noting it may send one twice.
"""

from __future__ import annotations

import logging
import smtplib
import threading
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, models
from django.utils import timezone

from domains.notices.models import Notice

logger = logging.getLogger(__name__)

BATCH = 50
TRIES = 8
KEPT = timedelta(days=2)  # an older notice is stale news: it stays in the inbox and is not mailed
FIRST_WAIT = timedelta(minutes=1)  # doubled at each try: 1, 2, 4, … minutes

_running = threading.Lock()


def mail(now: datetime | None = None) -> int:
    """Send up to a batch of unsent notices and return how many went out; never raises for a mail server."""
    now = now or timezone.now()
    if settings.EMAIL_BACKEND.endswith(".dummy.EmailBackend"):
        return 0
    due = Notice.objects.filter(
        mailed_at__isnull=True,
        mail_due_at__lte=now,
        mail_tries__lt=TRIES,
        created_at__gte=now - KEPT,
        recipient__is_active=True,
    )
    notices = list(due.select_related("recipient").order_by("mail_due_at")[:BATCH])
    if not notices:
        return 0
    sent = 0
    server = get_connection()
    for notice in notices:
        if not _claim(notice, now):
            continue
        outcome = _send(notice, server)
        if outcome is None:
            break  # the server itself is out of reach: the rest waits for its own turn
        sent += outcome
    return sent


def _claim(notice: Notice, now: datetime) -> bool:
    """Take a notice for one try, so that two workers do not both send it; False if another has it."""
    row = Notice.objects.filter(pk=notice.pk, mail_tries=notice.mail_tries, mailed_at__isnull=True)
    wait = FIRST_WAIT * 2**notice.mail_tries
    return row.update(mail_tries=models.F("mail_tries") + 1, mail_due_at=now + wait) == 1


def _send(notice: Notice, server: BaseEmailBackend) -> int | None:
    """Send one mail: 1 when it went out, 0 when this address was refused, None when the server failed."""
    link = settings.PUBLIC_URL.rstrip("/") + notice.path
    subject = f"{settings.NODE_TITLE}: something needs your eyes"
    body = f"{notice.text}\n\n{link}\n"
    message = EmailMessage(subject, body, to=[notice.recipient.email], connection=server)
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused:
        logger.warning("mail refused", extra={"event": notice.event})
        return 0
    except OSError:  # smtplib's own errors are among these
        logger.warning("mail server failed", extra={"event": notice.event})
        return None
    Notice.objects.filter(pk=notice.pk).update(mailed_at=timezone.now())
    return 1


def start(now: datetime | None = None) -> bool:
    """Run `mail` on a thread of its own unless one is running, so that a slow mail server delays no job.

    The sweep that the dispatcher calls every few seconds; `now` is what it passes and is not needed here.
    """
    if settings.EMAIL_BACKEND.endswith(".dummy.EmailBackend") or not _running.acquire(blocking=False):
        return False
    threading.Thread(target=_run, name="notices-mail", daemon=True).start()
    return True


def _run() -> None:
    try:
        mail()
    except Exception:  # a thread that dies silently would be worse; the next sweep tries again
        logger.exception("mail sweep failed")
    finally:
        connection.close()
        _running.release()
