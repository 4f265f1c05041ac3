from django.apps import AppConfig


class RequestsConfig(AppConfig):
    name = "domains.requests"
    label = "requests"

    def ready(self) -> None:
        from domains.catalog.datasets import on_withdrawal
        from domains.jobs import handlers, sweeps
        from domains.jobs.models import JobKind
        from domains.ledger import alerts
        from domains.projects.guards import bar
        from domains.requests import dry_runs, execution, fitting, outputs, triggers, upkeep  # noqa: F401 - triggers registers itself
        from domains.requests.guards import has_decided

        handlers.register(JobKind.QUERY, execution.run_query)
        handlers.register(JobKind.MOCK_QUERY, execution.run_mock)
        handlers.register(JobKind.DRY_RUN, dry_runs.run)
        handlers.register(JobKind.FIT, fitting.run_fit)
        sweeps.register(upkeep.sweep)
        sweeps.register(alerts.sweep)
        bar(has_decided)
        on_withdrawal(outputs.to_look_at)
        from domains.notices import tasks
        from domains.requests import waiting

        tasks.register(*waiting.WORK)
        from domains.notices import stuck
        from domains.requests.stuck import STUCK

        stuck.register(*STUCK)
