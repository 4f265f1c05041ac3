"""A policy is a document of rules; the four numbers that it was before become rules that say the same."""

import hashlib
import json

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import domains.base
from domains import triggers


def lift(apps, schema_editor):
    """SQLite rebuilds the table, which it cannot while a trigger of any table looks into it."""
    triggers.lift(schema_editor.connection, set(schema_editor.connection.introspection.table_names()))


def install(apps, schema_editor):
    triggers.install(schema_editor.connection)


def rules_of(auto_rho, auto_rho_per_month, max_rho, allows_unknown_keys):
    """Return the rules that answer every request as the four numbers did."""
    rules = []
    if max_rho is not None:
        over = {"is": "loss", "test": "over", "rho": max_rho}
        rules.append({"then": "refuse", "title": "Too costly", "when": [over]})
    if not allows_unknown_keys:
        unknown = {"is": "unknown_keys", "test": "yes"}
        rules.append({"then": "refuse", "title": "Group names without a code list", "when": [unknown]})
    if auto_rho:
        one = {"is": "loss", "test": "at_most", "rho": auto_rho}
        month = {"is": "automatic_loss", "test": "at_most", "rho": auto_rho_per_month, "per": "grant",
                 "within": "month"}
        rules.append({"then": "allow", "title": "Small questions", "when": [one, month]})
    return rules or [{"then": "refer", "title": "People decide everything", "when": []}]


def write(apps, schema_editor):
    """Write each policy's document."""
    policies = apps.get_model("catalog", "AccessPolicy")
    for row in policies.objects.all():
        rules = rules_of(row.auto_rho, row.auto_rho_per_month, row.max_rho, row.allows_unknown_keys)
        value = {"format": 1, "rules": rules}
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        policies.objects.filter(pk=row.pk).update(document=text, sha256=digest)


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0003_erasing'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(lift, install),
        migrations.CreateModel(
            name='DryRun',
            fields=[
                ('id', models.CharField(default=domains.base.new_id, editable=False, max_length=26, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('until', models.DateTimeField()),
                ('days', models.PositiveSmallIntegerField()),
                ('lines', models.TextField()),
                ('counts', models.JSONField()),
                ('sha256', models.CharField(max_length=64)),
                ('made_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('policy', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='dry_runs', to='catalog.accesspolicy')),
            ],
            options={
                'ordering': ['-created_at'],
                'constraints': [models.CheckConstraint(condition=models.Q(('days__gte', 1)), name='dry_run_days')],
            },
        ),
        migrations.AddField(
            model_name='accesspolicy',
            name='document',
            field=models.TextField(default=''),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='accesspolicy',
            name='sha256',
            field=models.CharField(default='', max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='accesspolicy',
            name='dry_run',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='catalog.dryrun'),
        ),
        migrations.RunPython(write, migrations.RunPython.noop),
        migrations.RemoveConstraint(model_name='accesspolicy', name='policy_not_negative'),
        migrations.RemoveField(model_name='accesspolicy', name='allows_unknown_keys'),
        migrations.RemoveField(model_name='accesspolicy', name='auto_rho'),
        migrations.RemoveField(model_name='accesspolicy', name='auto_rho_per_month'),
        migrations.RemoveField(model_name='accesspolicy', name='max_rho'),
        migrations.AddConstraint(
            model_name='accesspolicy',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('document', ''), _negated=True), models.Q(('sha256', ''), _negated=True)), name='policy_has_rules'),
        ),
        migrations.RunPython(install, migrations.RunPython.noop),
    ]
