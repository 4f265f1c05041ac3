from django.apps import AppConfig


class EvidenceConfig(AppConfig):
    name = "domains.evidence"
    label = "evidence"

    def ready(self) -> None:
        from domains.evidence import verification
        from domains.jobs import handlers
        from domains.jobs.models import JobKind

        handlers.register(JobKind.VERIFICATION, verification.run)
