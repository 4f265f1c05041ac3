from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "domains.ledger"
    label = "ledger"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from domains.ledger import triggers, waiting  # noqa: F401 - importing triggers registers them
        from domains.notices import tasks

        tasks.register(*waiting.WORK)
