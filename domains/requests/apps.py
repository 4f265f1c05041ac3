from django.apps import AppConfig


class RequestsConfig(AppConfig):
    name = "domains.requests"
    label = "requests"
