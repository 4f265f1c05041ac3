from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "domains.catalog"
    label = "catalog"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from domains.catalog import (
            triggers,  # noqa: F401 - importing it registers them
            waiting,
        )
        from domains.notices import tasks

        tasks.register(*waiting.WORK)
        from domains.catalog.stuck import STUCK
        from domains.notices import stuck

        stuck.register(*STUCK)
