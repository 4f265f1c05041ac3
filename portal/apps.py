from django.apps import AppConfig
from django.db.models.signals import post_migrate


def _install_triggers(**kwargs) -> None:
    from django.db import connections

    from domains import triggers

    triggers.install(connections[kwargs["using"]])


class PortalConfig(AppConfig):
    name = "portal"
    label = "portal"

    def ready(self) -> None:
        # Again after each migrate: SQLite drops triggers when it rebuilds a table (DECISIONS 15).
        post_migrate.connect(_install_triggers, sender=self, dispatch_uid="portal.triggers")
