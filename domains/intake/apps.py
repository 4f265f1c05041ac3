from django.apps import AppConfig


class IntakeConfig(AppConfig):
    name = "domains.intake"
    label = "intake"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from domains.intake import handlers, upkeep
        from domains.jobs import handlers as registry
        from domains.jobs import sweeps
        from domains.jobs.models import JobKind

        registry.register(JobKind.PROFILE, handlers.check)
        registry.register(JobKind.CONFORM, handlers.conform)
        sweeps.register(upkeep.sweep)
