"""Pages and API of agreements: written, published, accepted, listed; each by whom it is for and by nobody else."""

from __future__ import annotations

import csv
import hashlib
import io

from django.test import Client
from django.urls import reverse

from domains.agreements import actions
from domains.agreements.models import Acceptance, Agreement, AgreementVersion
from portal.markdown import to_html
from tests import make
from tests.portal.web import kit

TEXT = "# Terms\n\nBe *kind*. <script>alert(1)</script> [x](javascript:alert(1)) ![i](https://else.example/i.png)"


def published(given: kit.Story, body: str = TEXT) -> AgreementVersion:
    made = actions.create(title="Terms of use", body=body, by=given.cast.ada)
    return actions.publish(made, edition=1, by=given.cast.ada)


def page(client: Client, name: str, *args: object, status: int = 200) -> str:
    response = client.get(reverse(name, args=args))
    assert response.status_code == status
    text = response.content.decode()
    assert kit.faults(text) == []
    return text


def api(user) -> Client:
    return Client(headers={"authorization": f"Bearer {make.token(user)}"})


def test_an_administrator_writes_previews_and_publishes_and_is_told_how_many_must_accept(given):
    ada = kit.browser(given.cast.ada)
    assert "No agreement yet" in page(ada, "agreements")
    page(ada, "agreement_new")
    form = {"scope": "node", "title": "Terms of use", "body": TEXT, "valid_days": "90"}
    assert ada.post(reverse("agreement_new"), form | {"title": ""}).status_code == 422
    made = ada.post(reverse("agreement_new"), form)
    row = Agreement.objects.get()
    assert made.headers["Location"] == reverse("agreement_draft", args=[row.pk])
    text = page(ada, "agreement_draft", row.pk)
    assert "&lt;script&gt;" in text
    assert "<h3>Terms</h3>" in text
    draft = {"body": "Be kinder.", "valid_days": "", "edition": 1}
    preview = ada.post(reverse("agreement_draft", args=[row.pk]), draft | {"do": "preview"})
    assert "<p>Be kinder.</p>" in preview.content.decode()
    assert row.draft.edition == 1  # looking keeps nothing
    assert ada.post(reverse("agreement_draft", args=[row.pk]), draft).status_code == 302
    assert ada.post(reverse("agreement_draft", args=[row.pk]), draft).status_code == 422  # an older edition
    assert "<strong>1 person</strong>" in page(ada, "agreement_publish", row.pk)
    assert ada.post(reverse("agreement_publish", args=[row.pk]), {"edition": 1}).status_code == 422
    assert ada.post(reverse("agreement_publish", args=[row.pk]), {"edition": 2}).status_code == 302
    assert row.versions.get().text == "Be kinder.\n"
    assert ada.get(reverse("agreement_publish", args=[row.pk])).status_code == 302  # nothing left to publish
    page(ada, "agreement_retire", row.pk)
    assert ada.post(reverse("agreement_retire", args=[row.pk]), {"reason": ""}).status_code == 422
    assert ada.post(reverse("agreement_retire", args=[row.pk]), {"reason": "Over."}).status_code == 302


def test_a_scientist_sees_a_banner_everywhere_reads_what_changed_and_accepts(given):
    first = published(given, "One.\nTwo.")
    row = first.agreement
    actions.accept(first, sha256=first.sha256, through="page", by=given.cast.sam)
    sam = kit.browser(given.cast.sam)
    assert "You cannot use the data" not in page(sam, "home")
    actions.draft(
        row, body="One.\nThree.", changes="Two is three.", valid_days=None, edition=0, by=given.cast.ada
    )
    second = actions.publish(row, edition=1, by=given.cast.ada)
    for name in ("home", "catalogue", "agreements"):
        assert "You cannot use the data until you accept" in page(sam, name)
    assert f'href="/agreements/{row.pk}/"' in page(sam, "project", given.project.pk)
    text = page(sam, "agreement", row.pk)
    assert "<del>− Two.</del>" in text
    assert "<ins>+ Three.</ins>" in text
    assert second.sha256 in text
    address = reverse("agreement_accept", args=[row.pk, 2])
    refused = sam.post(address, {"sha256": second.sha256})
    assert refused.status_code == 422
    assert "Tick the box" in refused.content.decode()
    sam.post(address, {"sha256": first.sha256, "agreed": "on"})
    assert Acceptance.objects.count() == 1  # the hash of another text
    assert sam.post(address, {"sha256": second.sha256, "agreed": "on"}).status_code == 302
    assert Acceptance.objects.count() == 2
    assert "You cannot use the data" not in page(sam, "agreements")
    assert "Accept version" not in page(sam, "agreement", row.pk)
    assert "not in force any more" in page(sam, "agreement_version", row.pk, 1)
    got = sam.get(reverse("agreement_text", args=[row.pk, 2]))
    assert hashlib.sha256(got.content).hexdigest() == second.sha256


def test_others_read_and_see_no_banner_and_no_button(given):
    row = published(given).agreement
    for who in ("alice", "rita", "theo", "charlie"):
        client = kit.browser(getattr(given.cast, who))
        text = page(client, "agreement", row.pk)
        assert "You cannot use the data" not in text
        assert ("Accept version" in text) is (who == "charlie")  # who may come to need it may accept it early
        assert ("Who accepted" in text) is (who == "theo")
        for name in ("agreement_draft", "agreement_publish", "agreement_retire"):
            assert client.get(reverse(name, args=[row.pk])).status_code == 403
        for name in ("agreement_people", "agreement_people_csv"):
            assert client.get(reverse(name, args=[row.pk])).status_code == (200 if who == "theo" else 403)
        assert client.get(reverse("agreement_new")).status_code == (200 if who == "alice" else 403)


def test_a_draft_is_its_managers_own(given):
    row = actions.create(title="Rules", body=TEXT, dataset=given.dataset, by=given.cast.alice)
    alice = kit.browser(given.cast.alice)
    assert "Nothing published yet" in page(alice, "agreement", row.pk)
    assert "you manage it" in page(alice, "agreements")
    for who in ("ada", "sam", "theo"):
        assert kit.browser(getattr(given.cast, who)).get(f"/agreements/{row.pk}/").status_code == 404


def test_who_accepted_is_listed_and_a_spreadsheet_runs_none_of_it(given):
    version = published(given)
    type(given.cast.sam).objects.filter(pk=given.cast.sam.pk).update(name="=HYPERLINK(1)")
    actions.accept(version, sha256=version.sha256, through="api", by=given.cast.sam)
    theo = kit.browser(given.cast.theo)
    assert version.sha256[:12] in page(theo, "agreement_people", version.agreement_id)
    got = theo.get(reverse("agreement_people_csv", args=[version.agreement_id]))
    (line,) = csv.DictReader(io.StringIO(got.content.decode()))
    assert line["name"] == "'=HYPERLINK(1)"
    assert (line["state"], line["sha256"], line["through"]) == ("accepted", version.sha256, "api")


def test_the_list_costs_the_same_whatever_its_length(given, django_assert_max_num_queries):
    for _ in range(12):
        published(given)
    sam = kit.browser(given.cast.sam)
    sam.get(reverse("agreements"))
    with django_assert_max_num_queries(20):
        sam.get(reverse("agreements"))


def test_markdown_shows_what_people_wrote_and_runs_none_of_it():
    shown = to_html(TEXT + "\n\n### Deep\n\n[good](https://good.example)\n\n| a |\n| --- |\n| b |")
    for bad in ("<script", 'href="javascript', "<img"):
        assert bad not in shown
    assert '<a href="https://good.example" rel="noopener noreferrer nofollow">' in shown
    assert "<h3>Terms</h3>" in shown
    assert "<h4>Deep</h4>" in shown  # no level is skipped
    assert "<td>b</td>" in shown


def test_the_whole_road_through_the_api(given):
    ada, sam, theo = (api(getattr(given.cast, who)) for who in ("ada", "sam", "theo"))

    def post(client: Client, path: str, body: dict[str, object], status: int = 200, method: str = "post"):
        got = getattr(client, method)(f"/api/v1/agreements/{path}", body, content_type="application/json")
        assert got.status_code == status, got.content
        return got.json()

    made = post(ada, "", {"title": "Terms", "text": "Be kind."}, 201)
    key = made["id"]
    assert ada.get(f"/api/v1/agreements/{key}/draft/").json()["text"] == "Be kind.\n"
    assert sam.get(f"/api/v1/agreements/{key}/").status_code == 404
    post(ada, f"{key}/draft/", {"text": "Be kinder.", "edition": 1}, method="put")
    post(ada, f"{key}/publish/", {"edition": 2})
    (listed,) = sam.get("/api/v1/agreements/").json()["results"]
    assert listed["is_due"]
    checks = sam.get(f"/api/v1/grants/{given.grant.pk}/usable/").json()["checks"]
    failing = next(check for check in checks if not check["ok"])
    assert (failing["code"], failing["path"]) == ("agreements_accepted", f"/agreements/{key}/")
    whole = sam.get(f"/api/v1/agreements/{key}/").json()
    wrong = post(sam, f"{key}/accept/", {"version": 1, "sha256": "0" * 64}, 409)
    assert wrong["code"] == "stale"
    done = post(sam, f"{key}/accept/", {"version": 1, "sha256": whole["versions"][0]["sha256"]})
    assert (done["is_due"], done["acceptance"]["through"]) == (False, "api")
    (line,) = theo.get(f"/api/v1/agreements/{key}/people/").json()["results"]
    assert line["code"] == "accepted"
    assert sam.get(f"/api/v1/agreements/{key}/people/").status_code == 403
    assert sam.get(f"/api/v1/agreements/{key}/draft/").status_code == 403
    assert ada.get(f"/api/v1/agreements/{key}/draft/").status_code == 404
    assert post(ada, f"{key}/retire/", {"reason": "Over."})["retired_at"]
    alice = api(given.cast.alice)
    for scope in ({"area": given.cast.area.slug}, {"dataset": given.dataset.slug}):
        assert post(alice, "", {"title": "Rules", "text": "R", **scope}, 201)["version"] is None
        post(ada, "", {"title": "Rules", "text": "R", **scope}, 403)
