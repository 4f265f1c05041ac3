"""Components: the parts that pages are put together from, and the filters that write figures and times.

This library is a builtin of every template, so importing it must stay cheap: no models, no engine.
"""

from __future__ import annotations

from typing import Any

from django import template
from django.forms import (
    BoundField,
    CheckboxInput,
    CheckboxSelectMultiple,
    RadioSelect,
    Select,
    SelectMultiple,
    Textarea,
)
from django.middleware.csrf import get_token
from django.template import Context
from django.template.loader import get_template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify

from portal.templatetags import words

register = template.Library()
register.filters.update(words.register.filters)

# Outlines on a 16 × 16 grid, drawn with the colour of the text beside them.
ICONS = {
    "good": '<circle cx="8" cy="8" r="6.5"/><path d="m5 8.3 2.1 2.1L11 6"/>',
    "wait": '<circle cx="8" cy="8" r="6.5"/><path d="M8 4.5V8l2.4 1.6"/>',
    "bad": '<path d="M5.3 1.5h5.4l3.8 3.8v5.4l-3.8 3.8H5.3l-3.8-3.8V5.3z"/><path d="m5.8 5.8 4.4 4.4m0-4.4-4.4 4.4"/>',
    "info": '<circle cx="8" cy="8" r="6.5"/><path d="M8 7.3v3.9M8 4.6v.3"/>',
    "quiet": '<circle cx="8" cy="8" r="6.5" stroke-dasharray="2.4 2"/>',
    "bell": '<path d="M3.5 11.5h9c-1.2-1.2-1.2-2.6-1.2-4.4a3.3 3.3 0 0 0-6.6 0c0 1.8 0 3.2-1.2 4.4zM6.7 13.6h2.6"/>',
    "person": '<circle cx="8" cy="5.2" r="2.7"/><path d="M2.8 14c.5-3 2.5-4.5 5.2-4.5s4.7 1.5 5.2 4.5"/>',
}
TONES = {
    "good": {"approved", "granted", "published", "released", "succeeded", "conformed", "ready", "active", "pass", "ok",
        "delivered"},
    "wait": {
        "in_review", "changes_requested", "requested", "awaiting_review", "suspended", "frozen", "held", "received",
        "invited", "warn", "proposed", "asked", "waiting", "paused",
    },
    "bad": {
        "denied", "refused", "rejected", "revoked", "failed", "killed", "timed_out", "lost", "withdrawn_dataset",
        "kept_back", "release_revoked", "fail", "deactivated",
        "retracted", "declined", "given_up",
    },
    "info": {
        "queued", "running", "preflight", "data_open", "checking", "conforming", "quarantined", "confirmed",
        "measured",
    },
}  # fmt: skip


def tone_of(status: str) -> str:
    """Return the tone in which a status is shown; the words beside it carry the meaning."""
    return next((tone for tone, names in TONES.items() if status in names), "quiet")


def _render(name: str, **values: Any) -> SafeString:
    return mark_safe(get_template(f"_components/{name}.html").render(values))  # noqa: S308 - a template escaped it


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw an icon that is hidden from screen readers; words always stand beside it."""
    drawing = mark_safe(ICONS[name])  # noqa: S308 - a constant of this module
    return format_html(
        '<svg viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.6" '
        'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">{}</svg>',
        drawing,
    )


@register.simple_tag
def chip(text: str, tone: str = "quiet") -> SafeString:
    """Show a short word with an icon; `tone` is good, wait, bad, info or quiet."""
    return format_html('<span class="chip chip-{}">{}{}</span>', tone, icon(tone), text)


@register.simple_tag
def status(obj: Any) -> SafeString:
    """Show where something with a lifecycle, or a progress with code and label, stands."""
    if hasattr(obj, "state"):
        return chip(obj.state.label, tone_of(obj.status))
    return chip(obj.label, tone_of(obj.code))


@register.filter
def note_tone(level: str) -> str:
    """Translate a message's level to a tone."""
    return {"success": "good", "warning": "wait", "error": "bad"}.get(level, "info")


@register.simple_block_tag
def note(content: str, tone: str = "info") -> SafeString:
    """Set a remark apart from the text around it."""
    return format_html('<div class="note note-{}">{}<div>{}</div></div>', tone, icon(tone), content)


@register.simple_block_tag
def card(content: str, title: str = "", **options: Any) -> SafeString:
    """Frame a part of a page under a heading; options: level, id, tone, aside, focusable."""
    values = {"level": 2, "tone": "", "aside": "", "id": "", **options}
    values["heading_id"] = f"{values['id'] or slugify(title) or 'part'}-title"
    return _render("card", content=content, title=title, **values)


@register.simple_block_tag
def empty(content: str, title: str, level: int = 2) -> SafeString:
    """Say what would be here and how it comes to be."""
    return format_html(
        '<div class="empty"><h{0}>{1}</h{0}>{2}</div>',
        level,
        title,
        content,
    )


@register.simple_block_tag
def facts(content: str) -> SafeString:
    """Enclose `fact` rows in a definition list."""
    return format_html('<dl class="facts">{}</dl>', content)


@register.simple_block_tag
def fact(content: str, label: str) -> SafeString:
    """Write one row of a definition list."""
    return format_html("<div><dt>{}</dt><dd>{}</dd></div>", label, content)


@register.simple_tag
def field(bound: BoundField, extra_class: str = "", quiet: bool = False) -> SafeString:
    """Write a form field with label, help, errors and widget; `quiet` does not say that it is optional."""
    return _render(
        "field",
        bound=bound,
        widget=_widget(bound, extra_class),
        is_check=_is_check(bound),
        quiet=quiet,
        is_group=isinstance(bound.field.widget, RadioSelect | CheckboxSelectMultiple),
    )


@register.simple_tag
def cell(bound: BoundField, label: str, extra_class: str = "") -> SafeString:
    """Write a field inside a table, where the column's heading and `label` name it."""
    return format_html("{}{}", bound.errors, _widget(bound, extra_class, **{"aria-label": label}))


def _is_check(bound: BoundField) -> bool:
    return isinstance(bound.field.widget, CheckboxInput)


def _widget(bound: BoundField, extra_class: str, **attrs: str | bool) -> SafeString:
    """Render a widget with the style that fits its kind, keeping the classes it came with."""
    widget = bound.field.widget
    base = "form-control"
    if _is_check(bound):
        base = "form-check-input"
    elif isinstance(widget, RadioSelect | CheckboxSelectMultiple):
        base = ""
    elif isinstance(widget, Select) and not isinstance(widget, SelectMultiple):
        base = "form-select"
    elif isinstance(widget, Textarea):
        attrs.setdefault("rows", widget.attrs.get("rows", "4"))
    classes = " ".join(filter(None, [base, widget.attrs.get("class", ""), extra_class]))
    return bound.as_widget(attrs=attrs | ({"class": classes} if classes else {}))


@register.simple_tag
def problems(form: Any) -> SafeString:
    """Show what is wrong with a form as a whole, announced to screen readers."""
    errors = form.non_field_errors()
    if not errors and not form.errors:
        return mark_safe("")
    rest = "" if errors else "Please look at the fields that are marked."
    return format_html(
        '<div role="alert" class="note note-bad">{}<div>{}{}</div></div>', icon("bad"), errors, rest
    )


@register.simple_tag
def crumbs(*steps: str) -> SafeString:
    """Write breadcrumbs from label, address, label, address, …; the last label is this page."""
    pairs = [
        (steps[index], steps[index + 1] if index + 1 < len(steps) else "")
        for index in range(0, len(steps), 2)
    ]
    return _render("crumbs", steps=pairs)


@register.simple_tag(takes_context=True)
def pagination(context: Context, page: Any) -> SafeString:
    """Link to the pages before and after, keeping the filters of the address."""
    query = context["request"].GET.copy()

    def address(number: int) -> str:
        query["page"] = str(number)
        return "?" + query.urlencode()

    previous = address(page.previous_page_number()) if page.has_previous() else ""
    following = address(page.next_page_number()) if page.has_next() else ""
    return _render("pagination", page=page, previous=previous, next=following)


@register.simple_block_tag(takes_context=True)
def confirm(context: Context, content: str, title: str, label: str, action: str, **hidden: Any) -> SafeString:
    """Restate what is about to happen and ask once more; `back` and `tone` are options, the rest is sent along."""
    back, tone = hidden.pop("back", ""), hidden.pop("tone", "key")
    return _render(
        "confirm",
        content=content,
        title=title,
        label=label,
        action=action,
        back=back,
        tone=tone,
        hidden=list(hidden.items()),
        csrf_token=get_token(context["request"]),
    )


@register.simple_tag
def budget_bar(balance: Any, request: Any = None, key: str = "") -> SafeString:
    """Draw a budget with its text equivalent."""
    from portal.web import charts

    bars = charts.budget_bars(balance, request or None, key=key)
    return format_html_join("", "{}", ((_render("budget_bar", bar=bar),) for bar in bars))


@register.simple_tag
def bar_key(request_too: bool = False) -> SafeString:
    """Explain the fills of the budget bars."""
    return _render("bar_key", request_too=request_too)


@register.simple_tag
def column_cell(bound_field: BoundField, line: int, label: str, extra_class: str = "") -> SafeString:
    """Write one field of a line of the schema's table, named by its line and column for screen readers."""
    name = bound_field.form["name"].value() or f"line {line}"
    return cell(bound_field, f"{name}: {label}", extra_class)
