import django.db.models.deletion
import django.utils.timezone
import domains.base
from django.conf import settings
from django.db import migrations, models

from domains import triggers


def lift(apps, schema_editor):
    """SQLite rebuilds tables here, which it cannot while a trigger of any table looks into one."""
    triggers.lift(schema_editor.connection, set(schema_editor.connection.introspection.table_names()))


def install(apps, schema_editor):
    triggers.install(schema_editor.connection)


class Migration(migrations.Migration):
    """Top-ups of grants, and the thresholds of which people were told."""

    dependencies = [
        ('ledger', '0003_charge_for_everybody'),
        ('projects', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(lift, install),
        migrations.CreateModel(
            name='BudgetAlert',
            fields=[
                ('id', models.CharField(default=domains.base.new_id, editable=False, max_length=26, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('limit_version', models.PositiveIntegerField()),
                ('threshold', models.PositiveSmallIntegerField()),
            ],
            options={
                'ordering': ['created_at'],
            },
        ),
        migrations.CreateModel(
            name='TopUp',
            fields=[
                ('id', models.CharField(default=domains.base.new_id, editable=False, max_length=26, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('status', models.CharField(choices=[('asked', 'Asked for'), ('proposed', 'Proposed'), ('confirmed', 'Confirmed'), ('declined', 'Declined'), ('withdrawn', 'Withdrawn')], default='asked', max_length=10)),
                ('asked_epsilon', models.DecimalField(decimal_places=6, max_digits=10)),
                ('epsilon', models.DecimalField(decimal_places=6, max_digits=10)),
                ('pure_epsilon', models.DecimalField(decimal_places=6, max_digits=10, null=True)),
                ('reason', models.CharField(max_length=300)),
                ('rho', models.BigIntegerField(null=True)),
                ('delta', models.BigIntegerField(null=True)),
                ('pure', models.BigIntegerField(null=True)),
                ('limit_version', models.PositiveIntegerField(null=True)),
                ('proposed_at', models.DateTimeField(null=True)),
                ('decided_at', models.DateTimeField(null=True)),
                ('answer', models.CharField(blank=True, max_length=300)),
            ],
            options={
                'verbose_name': 'top-up',
                'ordering': ['-created_at'],
            },
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(fields=['account', 'at'], name='entry_of_account_at'),
        ),
        migrations.AddField(
            model_name='budgetalert',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='alerts', to='ledger.account'),
        ),
        migrations.AddField(
            model_name='topup',
            name='asked_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='topup',
            name='decided_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='topup',
            name='grant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='topups', to='projects.accessgrant'),
        ),
        migrations.AddField(
            model_name='topup',
            name='proposed_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='budgetalert',
            constraint=models.UniqueConstraint(fields=('account', 'limit_version', 'threshold'), name='alert_once'),
        ),
        migrations.AddConstraint(
            model_name='budgetalert',
            constraint=models.CheckConstraint(condition=models.Q(('threshold__in', [50, 80, 95])), name='alert_threshold'),
        ),
        migrations.AddConstraint(
            model_name='topup',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('proposed_at__isnull', True), ('proposed_by__isnull', True)), models.Q(('proposed_at__isnull', False), ('proposed_by__isnull', False)), _connector='OR'), name='topup_proposed_paired'),
        ),
        migrations.AddConstraint(
            model_name='topup',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_at__isnull', True), ('decided_by__isnull', True)), models.Q(('decided_at__isnull', False), ('decided_by__isnull', False)), _connector='OR'), name='topup_decided_paired'),
        ),
        migrations.AddConstraint(
            model_name='topup',
            constraint=models.UniqueConstraint(condition=models.Q(('status__in', ['asked', 'proposed'])), fields=('grant',), name='topup_one_open'),
        ),
        migrations.AddConstraint(
            model_name='topup',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status__in', ['proposed', 'confirmed']), _negated=True), models.Q(('delta__isnull', False), ('limit_version__isnull', False), ('proposed_by__isnull', False), ('pure__isnull', False), ('rho__isnull', False)), _connector='OR'), name='topup_proposed_in_full'),
        ),
        migrations.AddConstraint(
            model_name='topup',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_by__isnull', True), ('status__in', ['asked', 'proposed'])), models.Q(('decided_by__isnull', False), ('status__in', ['confirmed', 'declined', 'withdrawn'])), _connector='OR'), name='topup_decided_at_its_end'),
        ),
        migrations.AddConstraint(
            model_name='topup',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'confirmed'), _negated=True), models.Q(models.Q(('decided_by', models.F('proposed_by')), _negated=True), models.Q(('decided_by', models.F('asked_by')), _negated=True)), _connector='OR'), name='topup_two_people'),
        ),
        migrations.AddConstraint(
            model_name='topup',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='topup_says_why'),
        ),
        migrations.AddConstraint(
            model_name='topup',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'declined'), _negated=True), models.Q(('answer', ''), _negated=True), _connector='OR'), name='topup_declined_says_why'),
        ),
        migrations.RunPython(install, lift),
    ]
