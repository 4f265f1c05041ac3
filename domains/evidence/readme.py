"""The words that go into every evidence pack."""

README = """# Evidence of one project

This ZIP says what was decided about a project, what its people asked, and what was released to them. Check it without
the node that made it:

    python verify.py pack FILE.zip --key PUBLIC-KEY

Take `verify.py` (one file: Python's standard library and `cryptography`) and the public key from somewhere you trust,
not from here. Without `--key`, the key in `public-key.txt` is used, which shows that the pack is whole, not whose it
is.

| File | What it holds |
| --- | --- |
| `project.jsonl`, `people.jsonl` | the project as it stands, and the names behind the keys |
| `project-votes.jsonl`, `votes.jsonl` | every vote on the project and on its requests, with reasons |
| `project-versions.jsonl`, `amendments.jsonl` | what was handed in, as it was, with its hash, and what amends what |
| `section-reviews.jsonl` | what reviewers said of its sections |
| `grants.jsonl` | which datasets it may ask |
| `requests.jsonl`, `revisions.jsonl` | what was asked, each version of it, its cost and its hash |
| `runs.jsonl`, `releases.jsonl`, `answers/` | what ran, what was let out, and the very bytes |
| `ledger.jsonl` | what each charge did to each account |
| `events.jsonl`, `checkpoint.txt` | the audit log's events about all this, each with the proof that the log holds it |
| `manifest.json`, `manifest.sig` | the hash of every file, signed with the log's key |

The verifier checks the signatures, every hash and every proof, and that files and log tell one story: each vote,
revision, release and ledger line has its event, and each such event its line. Losses are counted in integers: rho and
pure in units of 1e-12, delta in units of 1e-18.

What it cannot show: events that the node left out both here and from the files. Compare with the whole log, which an
auditor exports. A pack made for a project's lead leaves out events whose exact time could betray private data; the
times of runs are in no pack. Mock data are named by hash only.
"""
