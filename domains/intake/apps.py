from django.apps import AppConfig


class IntakeConfig(AppConfig):
    name = "domains.intake"
    label = "intake"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from domains.catalog import erasing
        from domains.intake import handlers, placing, upkeep
        from domains.jobs import handlers as registry
        from domains.jobs import sweeps
        from domains.jobs.models import JobKind

        registry.register(JobKind.PROFILE, handlers.check)
        registry.register(JobKind.CONFORM, handlers.conform)
        registry.register(JobKind.CONNECTION, placing.check)
        sweeps.register(upkeep.sweep)
        sweeps.register(erasing.sweep)  # here, for the catalogue lies below the jobs and their sweeps
