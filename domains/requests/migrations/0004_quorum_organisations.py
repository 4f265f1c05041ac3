"""Quorums over distinct organisations and required roles; each vote keeps its voter's organisation."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from domains import triggers


def lift(apps, schema_editor):
    """SQLite rebuilds the table, which it cannot while a trigger of any table looks into it."""
    triggers.lift(schema_editor.connection, set(schema_editor.connection.introspection.table_names()))


def install(apps, schema_editor):
    triggers.install(schema_editor.connection)


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0004_policy_documents'),
        ('people', '0002_organisation'),
        ('requests', '0003_policy_findings'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(lift, install),
        migrations.AddField(
            model_name='approvalrule',
            name='has_reviewer',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='approvalrule',
            name='organisations',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='review',
            name='organisation',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='people.organisation'),
        ),
        migrations.AddConstraint(
            model_name='approvalrule',
            constraint=models.CheckConstraint(condition=models.Q(('organisations__lte', models.F('people'))), name='rule_organisations_need_people'),
        ),
        migrations.AddConstraint(
            model_name='approvalrule',
            constraint=models.CheckConstraint(condition=models.Q(('has_owner', False), ('has_reviewer', False), ('people__gte', 2), _connector='OR'), name='rule_two_roles_need_two_people'),
        ),
        migrations.RunPython(install, migrations.RunPython.noop),
    ]
