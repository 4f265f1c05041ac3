"""What constraints cannot say about the ledger, said by the database itself."""

# ruff: noqa: S608 - every name in these statements is a constant of this file

from domains.triggers import Trigger, append_only, check, guard, kept, register
from privacy.loss import CURRENCIES

ACCOUNT, CHARGE, ENTRY = "ledger_account", "ledger_charge", "ledger_entry"
ANSWER, CHANGE, PROPOSAL = "ledger_answer", "ledger_limitchange", "ledger_limitproposal"
TOPUP, ALERT = "ledger_topup", "ledger_budgetalert"


def _same(*columns: str) -> str:
    return " AND ".join(f"NEW.{c} IS NOT DISTINCT FROM OLD.{c}" for c in columns)


def _each(text: str) -> str:
    """Say `text` of every currency; {c} in it stands for the currency."""
    return " AND ".join(text.format(c=currency) for currency in CURRENCIES)


_IDENTITY = _same("id", "created_at", "scope", "population_id", "dataset_id", "grant_id", "person_id")
_BALANCE = tuple(f"{currency}_{part}" for currency in CURRENCIES for part in ("reserved", "spent"))
_PERSON = tuple(f"person_{currency}" for currency in CURRENCIES)
_LIMIT = (*(f"{currency}_limit" for currency in CURRENCIES), "limit_version", *_PERSON)

# Either a charge moves the balance (reserved up; or reserved down, and by no more than that spent up) …
_BALANCE_MOVES = f"""({_same(*_LIMIT)}
    AND (({_each("NEW.{c}_spent = OLD.{c}_spent AND NEW.{c}_reserved >= OLD.{c}_reserved")})
        OR ({_each("NEW.{c}_spent - OLD.{c}_spent IN (0, OLD.{c}_reserved - NEW.{c}_reserved)")}
            AND {_each("NEW.{c}_reserved <= OLD.{c}_reserved")})))"""
# … or an explicit change moves the limit.
_LIMIT_MOVES = f"""({_same(*_BALANCE, *_PERSON)}
    AND NEW.limit_version = OLD.limit_version + 1
    AND EXISTS (SELECT 1 FROM {CHANGE} c WHERE c.account_id = NEW.id AND c.number = NEW.limit_version
        AND {_each("c.{c}_before = OLD.{c}_limit AND c.{c}_after = NEW.{c}_limit")}))"""

_CHARGE_SAME = _same(
    "id", "created_at", "idem", "repeat_key", "grant_id", "person_id", *CURRENCIES, "certificate"
)
_CHARGE_MOVES = f"""{_CHARGE_SAME} AND (
    (OLD.state = 'RESERVED' AND NEW.state = 'COMMITTED'
        AND NEW.fence = OLD.fence + 1 AND NEW.lease_until IS NOT NULL)
    OR (OLD.state = 'RESERVED' AND NEW.state = 'VOID' AND {_same("fence", "lease_until")})
    OR (OLD.state = 'COMMITTED' AND NEW.state = 'BURNT' AND {_same("fence", "lease_until")}
        AND NOT EXISTS (SELECT 1 FROM {ANSWER} a WHERE a.charge_id = NEW.id)))"""


def _step(currency: str, column: str, sign: dict[str, int]) -> str:
    """Say that a running balance is the one on the line before, plus what this kind of line does to it."""
    before = (
        f"COALESCE((SELECT e.{currency}_{column} FROM {ENTRY} e WHERE e.account_id = NEW.account_id "
        f"ORDER BY e.seq DESC LIMIT 1), 0)"
    )
    cases = " ".join(f"WHEN '{kind}' THEN {factor}" for kind, factor in sign.items())
    return f"NEW.{currency}_{column} = {before} + NEW.{currency} * (CASE NEW.kind {cases} END)"


_RESERVED, _SPENT = {"RESERVE": 1, "COMMIT": -1, "VOID": -1}, {"RESERVE": 0, "COMMIT": 1, "VOID": 0}
_ENTRY_ADDS_UP = " AND ".join(
    (
        *(_step(currency, "reserved", _RESERVED) for currency in CURRENCIES),
        *(_step(currency, "spent", _SPENT) for currency in CURRENCIES),
        f"EXISTS (SELECT 1 FROM {ACCOUNT} a WHERE a.id = NEW.account_id AND "
        + " AND ".join(f"a.{column} = NEW.{column}" for column in _BALANCE)
        + ")",
    )
)
_ENTRY_IS_OF_CHARGE = f"""EXISTS (SELECT 1 FROM {CHARGE} c WHERE c.id = NEW.charge_id
        AND {_each("c.{c} = NEW.{c}")}
        AND c.state = (CASE NEW.kind
            WHEN 'RESERVE' THEN 'RESERVED' WHEN 'COMMIT' THEN 'COMMITTED' ELSE 'VOID' END))
    AND EXISTS (SELECT 1 FROM {CHARGE} c, {ACCOUNT} a WHERE c.id = NEW.charge_id AND a.id = NEW.account_id
        AND (CASE WHEN a.scope IN ('population', 'dataset') THEN TRUE
            WHEN a.scope = 'grant' THEN a.grant_id = c.grant_id
            ELSE a.person_id = c.person_id END))
    AND (NEW.kind = 'RESERVE' OR EXISTS (SELECT 1 FROM {ENTRY} e
        WHERE e.charge_id = NEW.charge_id AND e.account_id = NEW.account_id AND e.kind = 'RESERVE'))"""

# At the end of a transaction an account must be what its last line says. SQLite has no deferred triggers: there
# the next line is refused.
_SETTLED = "ledger_account_settled"
_ACCOUNT_SETTLED = Trigger(
    _SETTLED,
    ACCOUNT,
    sqlite="",
    postgresql=f"""
CREATE OR REPLACE FUNCTION {_SETTLED}_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM 1 FROM {ACCOUNT} a LEFT JOIN LATERAL (
            SELECT * FROM {ENTRY} e WHERE e.account_id = a.id ORDER BY e.seq DESC LIMIT 1) last ON TRUE
        WHERE a.id = NEW.id AND NOT ({" AND ".join(f"a.{c} = COALESCE(last.{c}, 0)" for c in _BALANCE)});
    IF FOUND THEN
        RAISE EXCEPTION USING MESSAGE = 'an account is not what its last entry says',
            ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER {_SETTLED} AFTER INSERT OR UPDATE ON {ACCOUNT}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {_SETTLED}_f()""",
)

_TOPUP_MOVES = f"""{_same("id", "created_at", "grant_id", "asked_epsilon", "reason", "asked_by_id")} AND (
    (OLD.status = 'asked' AND NEW.status IN ('proposed', 'declined', 'withdrawn'))
    OR (OLD.status = 'proposed' AND NEW.status IN ('confirmed', 'declined', 'withdrawn')
        AND {_same("epsilon", "pure_epsilon", *CURRENCIES, "limit_version", "proposed_at", "proposed_by_id")}))"""
# Whoever allocates is never, and never was, on the project that benefits.
_NOBODY_BENEFITS = """NEW.status NOT IN ('proposed', 'confirmed') OR NOT EXISTS (
    SELECT 1 FROM projects_projectmember m JOIN projects_accessgrant g ON g.project_id = m.project_id
    WHERE g.id = NEW.grant_id AND m.user_id IN (NEW.proposed_by_id, NEW.decided_by_id))"""

register(
    *kept(ACCOUNT),
    *append_only(ALERT),
    *kept(TOPUP),
    check(
        f"{TOPUP}_moves",
        TOPUP,
        on="UPDATE",
        unless=_TOPUP_MOVES,
        message="a top-up goes from asked to proposed to confirmed, declined or withdrawn, and is never rewritten",
    ),
    check(
        f"{TOPUP}_nobody_benefits",
        TOPUP,
        on="UPDATE",
        unless=_NOBODY_BENEFITS,
        message="who proposes or confirms a larger budget is not on the project",
    ),
    guard(
        f"{TOPUP}_starts_asked",
        TOPUP,
        on="INSERT",
        when="NEW.status <> 'asked'",
        message="a top-up starts asked for",
    ),
    _ACCOUNT_SETTLED,
    check(
        f"{ACCOUNT}_moves",
        ACCOUNT,
        on="UPDATE",
        unless=f"{_IDENTITY} AND ({_BALANCE_MOVES} OR {_LIMIT_MOVES})",
        message="an account moves by a charge or by an explicit change of its limit",
    ),
    guard(
        f"{ACCOUNT}_starts_empty",
        ACCOUNT,
        on="INSERT",
        when=" OR ".join(f"NEW.{column} <> 0" for column in (*_BALANCE, "limit_version")),
        message="an account starts with nothing reserved or spent",
    ),
    *append_only(CHANGE),
    check(
        f"{CHANGE}_raise_takes_two",
        CHANGE,
        on="INSERT",
        unless=f"""NEW.confirmed_by_id IS NOT NULL
            OR ({_each("NEW.{c}_after <= NEW.{c}_before")})
            OR (SELECT a.scope FROM {ACCOUNT} a WHERE a.id = NEW.account_id) = 'person'""",
        message="raising the limit of a population, dataset or grant takes two people",
    ),
    *kept(PROPOSAL),
    check(
        f"{PROPOSAL}_decided_once",
        PROPOSAL,
        on="UPDATE",
        unless="OLD.status = 'open' AND "
        + _same(
            "id",
            "created_at",
            "account_id",
            "limit_version",
            *CURRENCIES,
            "epsilon",
            "reason",
            "proposed_by_id",
        ),
        message="a proposal is decided once and never rewritten",
    ),
    *kept(CHARGE),
    check(
        f"{CHARGE}_moves",
        CHARGE,
        on="UPDATE",
        unless=_CHARGE_MOVES,
        message="a charge goes from reserved to committed or void, and from committed to burnt",
    ),
    guard(
        f"{CHARGE}_starts_reserved",
        CHARGE,
        on="INSERT",
        when="NEW.state <> 'RESERVED' OR NEW.fence <> 0 OR NEW.lease_until IS NOT NULL",
        message="a charge starts reserved",
    ),
    *append_only(ENTRY),
    check(
        f"{ENTRY}_adds_up",
        ENTRY,
        on="INSERT",
        unless=f"{_ENTRY_ADDS_UP} AND {_ENTRY_IS_OF_CHARGE}",
        message="an entry carries its charge's loss and state, debits its own grant and person, and adds up",
    ),
    *append_only(ANSWER),
    check(
        f"{ANSWER}_of_committed",
        ANSWER,
        on="INSERT",
        unless=f"EXISTS (SELECT 1 FROM {CHARGE} c WHERE c.id = NEW.charge_id "
        "AND c.state = 'COMMITTED' AND c.fence = NEW.fence)",
        message="an answer belongs to a committed charge with the same fence",
        before=f"PERFORM 1 FROM {CHARGE} c WHERE c.id = NEW.charge_id FOR NO KEY UPDATE;",
    ),
)
