"""The log as rows: events with their exact bytes, the full nodes above them, and the head."""

from django.db import models


class AuditEvent(models.Model):
    """One leaf. `body` holds the exact bytes that were hashed; no foreign keys, so nothing can cascade."""

    index = models.BigIntegerField(primary_key=True)
    event = models.CharField(max_length=60, db_index=True)
    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=80, db_index=True)
    subject_type = models.CharField(max_length=40)
    subject = models.CharField(max_length=80, db_index=True)
    body = models.BinaryField()
    leaf = models.BinaryField(max_length=32)

    class Meta:
        ordering = ["index"]
        # In the log's order, so that a page of what matches is read off and never sorted.
        indexes = [
            models.Index(fields=["event", "index"], name="audit_of_event"),
            models.Index(fields=["actor", "index"], name="audit_of_actor"),
            models.Index(fields=["subject", "index"], name="audit_of_subject"),
        ]

    def __str__(self) -> str:
        return f"#{self.index} {self.event}"


class AuditNode(models.Model):
    """A complete interior node: covers leaves [position·2^level, (position+1)·2^level)."""

    level = models.PositiveSmallIntegerField()
    position = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["level", "position"], name="audit_node_once")]

    def __str__(self) -> str:
        return f"{self.level}/{self.position}"


class AuditHead(models.Model):
    """The one row that changes: how many leaves there are and the frontier that gives their root."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    size = models.BigIntegerField(default=0)
    frontier = models.BinaryField(default=b"")
    root = models.BinaryField(max_length=32)
    # The first size ever witnessed; above zero, a missing witness file means that somebody took it away.
    witnessed = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="audit_head_single")]

    def __str__(self) -> str:
        return f"head at {self.size}"
