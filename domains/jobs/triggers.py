"""What the database itself keeps true of jobs: no second draw, no way back from an end, results kept."""

from domains.triggers import append_only, guard, kept, register

_FINAL = "('succeeded', 'failed', 'cancelled', 'killed', 'timed_out', 'lost')"

register(
    *append_only("jobs_result"),
    guard(
        "jobs_job_end_is_final",
        "jobs_job",
        on="UPDATE",
        when=f"OLD.status IN {_FINAL} AND NEW.status <> OLD.status",
        message="a job that ended stays ended",
    ),
    guard(
        "jobs_job_data_opened_once",
        "jobs_job",
        on="UPDATE",
        when="OLD.data_opened_at IS NOT NULL AND (NEW.data_opened_at IS DISTINCT FROM OLD.data_opened_at"
        " OR NEW.due_at IS DISTINCT FROM OLD.due_at OR NEW.status IN ('queued', 'preflight', 'running'))",
        message="a job that opened data never runs again",
    ),
    guard(
        "jobs_job_spec_is_fixed",
        "jobs_job",
        on="UPDATE",
        when="NEW.spec_sha256 <> OLD.spec_sha256 OR NEW.charge_id IS DISTINCT FROM OLD.charge_id"
        " OR NEW.subject <> OLD.subject OR NEW.kind <> OLD.kind OR NEW.fence < OLD.fence",
        message="what a job is does not change",
    ),
    *kept("jobs_job"),
)
