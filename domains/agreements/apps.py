from django.apps import AppConfig


class AgreementsConfig(AppConfig):
    name = "domains.agreements"
    label = "agreements"

    def ready(self) -> None:
        from domains.agreements import (
            triggers,  # noqa: F401 - registers what the database promises
            waiting,
        )
        from domains.notices import tasks

        tasks.register(*waiting.WORK)
