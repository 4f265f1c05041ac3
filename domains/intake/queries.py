"""What an owner sees of their uploads. Findings are theirs alone."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from domains.catalog.models import DatasetVersion
from domains.errors import NotFound
from domains.intake.models import Upload
from domains.people.models import User
from domains.people.permissions import Permission, require

# Why a file was not taken, and what to do about it.
REASONS = {
    "bad_quotes": "A quoted value is not closed.",
    "column_ambiguous": "A declared column fits several columns of the file; declare it under the file's own name.",
    "column_missing": "A declared column is not in the file.",
    "compression_refused": "Only gzip is taken (.csv.gz).",
    "empty": "The file is empty.",
    "expands_too_far": "Unpacked, it is larger than this node takes.",
    "format_mismatch": "It is not of the stated format.",
    "gzip_broken": "The gzip file is damaged or cut off.",
    "header_blank": "The first line does not name every column.",
    "header_duplicate": "Two columns have the same name; upper and lower case count as one.",
    "header_reserved": "A column is called _row, a name that is kept for the row number.",
    "header_unprintable": "A column's name is too long or holds signs that cannot be shown.",
    "key_missing": "A row of this public table has no key: it is empty, or not of the declared kind or codes.",
    "key_repeated": "Two rows of this public table have the same key.",
    "limits_exceeded": "Reading it took more memory or time than is allowed.",
    "line_too_long": "A line is longer than 2 MB.",
    "mock_copies_rows": "More than one in a hundred of the mock's rows equal a private row.",
    "mock_shares_units": "The mock holds identifiers that are in the private data.",
    "nested_columns": "Lists, structures and binary columns are not taken.",
    "no_rows": "There are no rows to keep.",
    "no_worker_finished": "No worker could finish with it; try again.",
    "not_text": "It holds bytes that are no text.",
    "not_utf8": "It is not UTF-8 text; save it as UTF-8.",
    "ragged_rows": "A row has more or fewer values than the first line names.",
    "schema_changed": "The schema was declared anew meanwhile; make the file again.",
    "schema_invalid": "The declared schema cannot be read; declare it again.",
    "too_many_columns": "It has more than 1,000 columns.",
    "too_many_rows": "It holds more rows than the public table declares at most.",
    "too_many_units": "It holds more privacy units than the version declares at most.",
    "unreadable": "It could not be read.",
    "upload_changed": "The received bytes are gone or changed; send the file again.",
    "zip_refused": "Archives are not taken; send the file itself.",
}


def reason(upload: Upload) -> str:
    """Return why an upload was not taken, in words, with the line where that is known; empty if all is well."""
    if not upload.status_code:
        return ""
    line = upload.findings.get("line")
    text = REASONS.get(upload.status_code, "It could not be used.")
    return f"{text} (line {line})" if line else f"{text}{_where(upload.findings.get('made', {}))}"


def _where(made: dict[str, Any]) -> str:
    """Return which rows of a public table are meant; of private rows nothing is counted or quoted here."""
    if "key_missing" in made:
        return f" Rows without {made['key']}: {made['key_missing']}."
    if "key_repeated" in made:
        examples = ", ".join(made["examples"])
        return f" Repeated values of {made['key']}: {made['key_repeated']}, such as {examples}."
    return ""


def uploads(version: DatasetVersion, *, user: User) -> QuerySet[Upload]:
    """Return a version's uploads with their findings, newest first, for those who may edit it."""
    require(user, Permission.DATASET_EDIT, on=version)
    return Upload.objects.filter(version=version).select_related("version__dataset", "created_by")


def upload(upload_id: str, *, user: User) -> Upload:
    """Return one upload for those who may edit its version; raise NotFound."""
    found = Upload.objects.select_related("version__dataset__area", "created_by").filter(pk=upload_id).first()
    if found is None:
        raise NotFound("There is no such upload.")
    require(user, Permission.DATASET_EDIT, on=found.version)
    return found
