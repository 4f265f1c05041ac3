import django.db.models.deletion
import django.utils.timezone
import domains.base
from django.conf import settings
from django.db import migrations, models

from domains import triggers


def lift(apps, schema_editor):
    triggers.lift(schema_editor.connection)


def install(apps, schema_editor):
    triggers.install(schema_editor.connection)


class Migration(migrations.Migration):
    """Add connections, and versions in place. SQLite rebuilds the table, so triggers are lifted and put back."""

    dependencies = [
        ('catalog', '0002_triggers'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(lift, migrations.RunPython.noop),
        migrations.AddField(
            model_name='datasetversion',
            name='fingerprint',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='datasetversion',
            name='relation',
            field=models.CharField(blank=True, max_length=127),
        ),
        migrations.CreateModel(
            name='Connection',
            fields=[
                ('id', models.CharField(default=domains.base.new_id, editable=False, max_length=26, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('name', models.SlugField(unique=True)),
                ('engine', models.CharField(choices=[('postgresql', 'PostgreSQL')], default='postgresql', max_length=12)),
                ('host', models.CharField(max_length=253)),
                ('port', models.PositiveIntegerField(default=5432)),
                ('database', models.CharField(max_length=63)),
                ('role', models.CharField(max_length=63)),
                ('tls', models.CharField(choices=[('verify-full', 'encrypted, certificate and host name checked'), ('require', 'encrypted, certificate not checked'), ('disable', 'not encrypted: only on one machine or a private wire')], default='verify-full', max_length=12)),
                ('retired_at', models.DateTimeField(blank=True, null=True)),
                ('area', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='connections', to='catalog.researcharea')),
                ('created_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('retired_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.AddField(
            model_name='datasetversion',
            name='connection',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='versions', to='catalog.connection'),
        ),
        migrations.AddConstraint(
            model_name='datasetversion',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('connection__isnull', True), ('fingerprint', ''), ('relation', '')), models.Q(('connection__isnull', False), models.Q(('relation', ''), _negated=True), models.Q(('fingerprint', ''), _negated=True)), _connector='OR'), name='version_in_place_is_complete'),
        ),
        migrations.AddConstraint(
            model_name='connection',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('retired_at__isnull', True), ('retired_by__isnull', True)), models.Q(('retired_at__isnull', False), ('retired_by__isnull', False)), _connector='OR'), name='connection_retired_paired'),
        ),
        migrations.AddConstraint(
            model_name='connection',
            constraint=models.CheckConstraint(condition=models.Q(('port__gte', 1), ('port__lte', 65535)), name='connection_port'),
        ),
        migrations.AddConstraint(
            model_name='connection',
            constraint=models.CheckConstraint(condition=models.Q(('engine__in', ['postgresql'])), name='connection_engine'),
        ),
        migrations.AddConstraint(
            model_name='connection',
            constraint=models.CheckConstraint(condition=models.Q(('tls__in', ['verify-full', 'require', 'disable'])), name='connection_tls'),
        ),
        migrations.RunPython(install, migrations.RunPython.noop),
    ]
