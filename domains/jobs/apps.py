from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "domains.jobs"
    label = "jobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from domains.jobs import sweeps, triggers  # noqa: F401 - importing the latter registers them
        from domains.notices import sweep as mail

        sweeps.register(mail.start)
