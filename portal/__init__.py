"""The faces: settings, pages, API. Translates; never decides."""

from portal.celery import app as celery_app

__all__ = ["celery_app"]
