from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "domains.jobs"
    label = "jobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from domains.agreements import reminders
        from domains.delivery import sweep as delivery
        from domains.jobs import sweeps, triggers  # noqa: F401 - importing the latter registers them

        sweeps.register(delivery.start)
        from domains.jobs.stuck import STUCK
        from domains.notices import stuck

        stuck.register(*STUCK)
        sweeps.register(reminders.sweep)
        from domains.projects import reminders as approvals

        sweeps.register(approvals.sweep)
