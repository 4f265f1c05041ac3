from django.apps import AppConfig


class SyntheticConfig(AppConfig):
    name = "domains.synthetic"
    label = "synthetic"

    def ready(self) -> None:
        from domains.jobs import handlers, sweeps
        from domains.jobs.models import JobKind
        from domains.synthetic import making, measuring, triggers, upkeep  # noqa: F401 - triggers registers itself

        handlers.register(JobKind.MEASUREMENT, measuring.run)
        handlers.register(JobKind.SYNTHESIS, making.run)
        sweeps.register(upkeep.sweep)
        from domains.notices import tasks
        from domains.synthetic import waiting

        tasks.register(*waiting.WORK)
