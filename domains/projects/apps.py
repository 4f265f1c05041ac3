from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    name = "domains.projects"
    label = "projects"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from domains.notices import tasks
        from domains.projects import (
            triggers,  # noqa: F401 - registers what the database promises
            waiting,
        )

        tasks.register(*waiting.WORK)
        from domains.notices import stuck
        from domains.projects.stuck import STUCK

        stuck.register(*STUCK)
