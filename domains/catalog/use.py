"""Conditions of use in the terms of the Data Use Ontology (GA4GH DUO), and how they are declared. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from domains.errors import InvalidInput

IRI = "http://purl.obolibrary.org/obo/DUO_"
MOST_DETAIL = 160


@dataclass(frozen=True)
class Term:
    """One term: its code, DUO's number, what people read, and what has to be said with it (empty: nothing)."""

    code: str
    number: str
    label: str
    needs: str = ""
    is_date: bool = False

    @property
    def iri(self) -> str:
        """The term's address in the ontology."""
        return IRI + self.number


# What data may be used for at all: a dataset declares one of these, or none.
PERMISSIONS = (
    Term("NRES", "0000004", "No restriction"),
    Term("GRU", "0000042", "General research use"),
    Term("HMB", "0000006", "Health, medical or biomedical research"),
    Term("DS", "0000007", "Research on a disease", "the disease"),
    Term("POA", "0000011", "Population origins or ancestry research only"),
)
MODIFIERS = (
    Term("NPU", "0000045", "Not-for-profit organisations only"),
    Term("NCU", "0000046", "Non-commercial use only"),
    Term("IRB", "0000021", "Ethics approval required"),
    Term("GSO", "0000016", "Genetic studies only"),
    Term("US", "0000026", "Named users only", "who"),
    Term("IS", "0000028", "Named institutions only", "which institutions"),
    Term("TS", "0000025", "Time limit on use", "the last day, as 2030-12-31", is_date=True),
    Term("MOR", "0000024", "No publication before a day", "the day, as 2030-12-31", is_date=True),
    Term("COL", "0000020", "Collaboration with the owner required"),
    Term("PUB", "0000019", "Results must be published"),
    Term("RTN", "0000029", "Results must be returned to the database"),
)
TERMS = {term.code: term for term in (*PERMISSIONS, *MODIFIERS)}
NEEDING = tuple(code for code, term in TERMS.items() if term.needs)


@dataclass(frozen=True)
class Condition:
    """One declared condition: a code, and the disease, people, institutions or day that belong to it."""

    code: str
    detail: str = ""

    @property
    def term(self) -> Term:
        """The term that the code stands for."""
        return TERMS[self.code]

    @property
    def in_words(self) -> str:
        """The condition as people read it."""
        return f"{self.term.label}: {self.detail}" if self.detail else self.term.label


def parse(given: Iterable[tuple[str, str]]) -> tuple[Condition, ...]:
    """Return (code, detail) pairs as conditions in the ontology's order, or raise InvalidInput that says why not."""
    found = [Condition(code, " ".join(detail.split())) for code, detail in given]
    codes = [condition.code for condition in found]
    if unknown := sorted(set(codes) - set(TERMS)):
        raise _wrong(f"“{unknown[0][:20]}” is no code that is used here; choose from {', '.join(TERMS)}.")
    if len(set(codes)) != len(codes):
        raise _wrong("Each code is declared once.")
    if len(set(codes) & {term.code for term in PERMISSIONS}) > 1:
        raise _wrong("Choose one of what the data may be used for; the other conditions narrow it.")
    for condition in found:
        _check(condition)
    return tuple(sorted(found, key=lambda condition: list(TERMS).index(condition.code)))


def _check(condition: Condition) -> None:
    term = condition.term
    if bool(term.needs) != bool(condition.detail):
        raise _wrong(f"{term.code}: name {term.needs}." if term.needs else f"{term.code} takes no detail.")
    if len(condition.detail) > MOST_DETAIL:
        raise _wrong(f"{term.code}: write at most {MOST_DETAIL} characters.")
    if term.is_date:
        try:
            date.fromisoformat(condition.detail)
        except ValueError as error:
            raise _wrong(f"{term.code}: name {term.needs}.") from error


def _wrong(why: str) -> InvalidInput:
    return InvalidInput(why, code="use_invalid")
