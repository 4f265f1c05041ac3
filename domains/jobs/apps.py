from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "domains.jobs"
    label = "jobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from domains.jobs import triggers  # noqa: F401 - importing it registers them
