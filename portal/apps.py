from django.apps import AppConfig, apps
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
        # The sender is the topmost app: Django sends the signal only for apps that have models.
        post_migrate.connect(
            _install_triggers, sender=apps.get_app_config("requests"), dispatch_uid="portal.triggers"
        )
