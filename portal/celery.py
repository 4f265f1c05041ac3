"""The Celery application. Payloads are job ids; the job table is the truth."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("gridhouse")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# In every worker, however it was started: looks at the job table and keeps the fork server.
app.steps["worker"].add("domains.jobs.dispatcher:DispatcherStep")
