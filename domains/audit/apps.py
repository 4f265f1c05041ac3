from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "domains.audit"
    label = "audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from domains.audit import triggers  # noqa: F401 - importing it registers them
