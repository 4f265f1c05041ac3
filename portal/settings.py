"""The one settings file. Every value comes from the environment; docs/reference/settings.md lists them."""

from __future__ import annotations

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from portal import env, logs
from portal.choices import CHOICES

BASE_DIR = Path(__file__).resolve().parent.parent

# --- The node -------------------------------------------------------------------------------------------------
HOME = Path(env.text("GRIDHOUSE_HOME", str(BASE_DIR / "var"))).resolve()
NODE_NAME = env.text("NODE_NAME", "domain.example")  # origin of this node's audit checkpoints
NODE_TITLE = env.text("NODE_TITLE", "Gridhouse")
# What each folder holds and who may read it: docs/reference/settings.md.
DATA_DIR = env.folder("DATA_DIR", HOME / "data")
SEAL_DIR = env.folder("SEAL_DIR", HOME / "seals")
SEAL_KEY_FILE = env.text("SEAL_KEY_FILE")
MOCK_DIR = env.folder("MOCK_DIR", HOME / "mock")
STAGING_DIR = env.folder("STAGING_DIR", HOME / "staging")
KEY_DIR = env.folder("KEY_DIR", HOME / "keys")
WITNESS_DIR = env.folder("WITNESS_DIR", HOME / "witness")  # outside database and backups (LEDGER §1)
CONNECTIONS_DIR = env.folder("CONNECTIONS_DIR", HOME / "connections")
RUN_DIR = env.folder("RUN_DIR", HOME / "run")

# Projects approved on or after this day (YYYY-MM-DD) stand in a register that needs no sign-in; empty: none does.
PUBLIC_REGISTER_SINCE = env.day("PUBLIC_REGISTER_SINCE")

DEBUG = env.flag("DEBUG")
SECRET_KEY = env.secret_key(HOME)
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS")
PUBLIC_URL = env.text("PUBLIC_URL", "http://localhost:8000")
IS_HTTPS = PUBLIC_URL.startswith("https://")

# --- What is installed ----------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "portal.apps.PortalConfig",
    "domains.audit.apps.AuditConfig",
    "domains.notices.apps.NoticesConfig",
    "domains.people.apps.PeopleConfig",
    "domains.delivery.apps.DeliveryConfig",
    "domains.catalog.apps.CatalogConfig",
    "domains.node.apps.NodeConfig",
    "domains.agreements.apps.AgreementsConfig",
    "domains.projects.apps.ProjectsConfig",
    "domains.emergency.apps.EmergencyConfig",
    "domains.ledger.apps.LedgerConfig",
    "domains.jobs.apps.JobsConfig",
    "domains.intake.apps.IntakeConfig",
    "domains.requests.apps.RequestsConfig",
    "domains.synthetic.apps.SyntheticConfig",
    "domains.evidence.apps.EvidenceConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
]

MIDDLEWARE = [
    "portal.measured.Measured",
    "portal.middleware.RequestId",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portal.sessions.LastSeen",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.middleware.ClosedByDefault",
    "portal.middleware.DomainErrors",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["portal.templatetags.ui"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.web.nav.context",
            ],
        },
    }
]

# --- Where things are kept ------------------------------------------------------------------------------------
DATABASES = {"default": env.database(env.text("DATABASE_URL", f"sqlite:///{HOME / 'node.sqlite3'}"))}
ATOMIC_REQUESTS = False  # actions own their transactions (DECISIONS 12)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.text("REDIS_URL")
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "gridhouse"}
}
WEB_PROCESSES = env.whole("WEB_PROCESSES", 1, least=1)
if WEB_PROCESSES > 1 and not REDIS_URL:
    raise ImproperlyConfigured(
        "WEB_PROCESSES above 1 needs REDIS_URL: sign-in limits are counted in a cache that all processes share."
    )

# --- Workers --------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {
        "visibility_timeout": 7200,
        "socket_timeout": 5,
        "socket_connect_timeout": 5,
        # A hint is tried twice: whoever approves does not wait for a broker that is away.
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0.1,
    }
    if REDIS_URL
    else {"polling_interval": 0.02}
)
DISPATCH_INTERVAL = (
    env.whole("DISPATCH_INTERVAL_MS", 50, least=10) / 1000
)  # seconds between looks at the job table
JOB_LEASE_SECONDS = env.whole("JOB_LEASE_SECONDS", 30, least=2)
JOB_MEMORY_MB = env.whole("JOB_MEMORY_MB", 2048, least=256)
JOB_THREADS = env.whole("JOB_THREADS", 2, least=1)
APPROVAL_VALID_DAYS = env.whole("APPROVAL_VALID_DAYS", 14, least=1)
# Added to every planned deadline, in seconds. On a busy machine a larger one burns fewer losses by over-runs.
DEADLINE_SLACK = env.whole("DEADLINE_SLACK_MS", 0) / 1000
NODE_TIMEZONE = env.timezone("NODE_TIMEZONE", "UTC")  # by which policies read days and hours
UNDO_SECONDS = env.whole("UNDO_SECONDS", 10)  # between a browser approval and its dispatch
UPLOAD_MAX_MB = env.whole("UPLOAD_MAX_MB", 512, least=1)
UPLOAD_MAX_EXPANDED_MB = env.whole("UPLOAD_MAX_EXPANDED_MB", 4096, least=1)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_TEMP_DIR = None
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]

# --- People ---------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "people.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "portal.web.accounts.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_USER_MODEL_EMAIL_FIELD = "email"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # an invitation's secret link is the verification
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900  # seconds; deciding about data asks for a sign-in this recent (S10)
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": "5/5m/key,20/5m/ip", "reauthenticate": "10/m/user"}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = NODE_TITLE
MFA_ADAPTER = "portal.web.accounts.MfaAdapter"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
TRUSTED_PROXIES = env.whole("TRUSTED_PROXIES", 0)  # how many proxies add to X-Forwarded-For
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if env.text("EMAIL_HOST")
    else "django.core.mail.backends.dummy.EmailBackend"
)
EMAIL_HOST = env.text("EMAIL_HOST")
EMAIL_PORT = env.whole("EMAIL_PORT", 587)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", default=True)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "gridhouse@localhost")
SENDS_NOTICES = env.flag("SENDS_NOTICES", default=True)  # 0 in workers without a way out, where another sends
# Webhooks go to public addresses over https. Networks named here (as 10.1.0.0/16) are allowed although private.
WEBHOOK_NETWORKS = env.names("WEBHOOK_NETWORKS")
WEBHOOK_HTTP = env.flag("WEBHOOK_HTTP")  # also plain http: for tests and closed networks

# --- Metrics ----------------------------------------------------------------------------------------------------
METRICS_TOKEN = env.text(
    "METRICS_TOKEN"
)  # whoever sends it as bearer reads /metrics; best from METRICS_TOKEN_FILE
METRICS_NETWORKS = env.names("METRICS_NETWORKS")  # networks (as 10.1.0.0/16) that read it without the token

# --- Guards ---------------------------------------------------------------------------------------------------
SECURE_SSL_REDIRECT = IS_HTTPS and env.flag("SSL_REDIRECT", default=True)
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
CSRF_FAILURE_VIEW = "portal.web.problems.csrf_failure"

# --- API ------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "portal.api.auth.TokenAuthentication",
        "portal.api.auth.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "portal.api.paging.Cursor",
    "PAGE_SIZE": 50,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "portal.api.problems.handle",
    "DEFAULT_THROTTLE_CLASSES": ["portal.api.throttles.UserThrottle"],
    "DEFAULT_THROTTLE_RATES": {"user": env.text("API_RATE", "1200/min"), "anon": "120/min"},
    "NUM_PROXIES": TRUSTED_PROXIES,
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Gridhouse API",
    "DESCRIPTION": "Remote data science: ask from outside, decide at home.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "portal.api.openapi.finish",
    ],
    "ENUM_NAME_OVERRIDES": CHOICES,
}

# --- Words, times, files --------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(HOME / "static")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = True
MEDIA_ROOT = ""  # nothing that people upload is ever served

LOGGING = logs.settings(env.text("LOG_LEVEL", "INFO"))
