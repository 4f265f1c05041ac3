"""What a project is for, as a few codes that datasets' conditions of use can be compared with.

The terms are those of the Data Use Ontology (DUO) where it has one; the codes are ours, stable and short.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Purpose:
    """One code: what people read, and the term of DUO that it stands for, if there is one."""

    code: str
    label: str
    duo: str = ""


PURPOSES = (
    Purpose("general", "General research", "DUO:0000042"),
    Purpose("health", "Health, medical or biomedical research", "DUO:0000006"),
    Purpose("disease", "Research on a disease that the purpose names", "DUO:0000007"),
    Purpose("ancestry", "Population origins or ancestry", "DUO:0000011"),
    Purpose("clinical_care", "Clinical care", "DUO:0000043"),
    Purpose("methods", "Development of methods, software or algorithms"),
    Purpose("quality", "Evaluation or improvement of care"),
    Purpose("commercial", "Commercial use"),
)
CODES = tuple(purpose.code for purpose in PURPOSES)
LABELS = {purpose.code: purpose.label for purpose in PURPOSES}
