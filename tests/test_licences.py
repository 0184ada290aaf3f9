"""Licences: the Hub's words, and what one allows to be made from another."""

from __future__ import annotations

import pytest

from zoo.errors import UsageError
from zoo.publish.licences import LICENCES, Origin, check_licence, check_lineage, is_non_commercial, is_share_alike
from zoo.publish.lineage import Ancestry, settle_licences


def base(license):
    return Origin(what="the base filters 'b'", license=license, argument="base_license")


def ancestry(**facts):
    plain = {"base": None, "weights": "random", "repo": None, "base_license": None, "base_dataset_license": None}
    return Ancestry(**{**plain, "dataset": "fish", "dataset_license": None, **facts})


def test_a_licence_is_spelt_as_the_hub_spells_it():
    assert check_licence("Apache-2.0") == "apache-2.0"
    assert check_licence("other") == "other"


def test_a_licence_that_the_hub_does_not_know_has_its_nearest_offered():
    with pytest.raises(UsageError, match=r"`base_license=` 'cc-by-5.0' is no licence .* Did you mean 'cc-by-4.0'\?"):
        check_licence("cc-by-5.0", argument="base_license")
    with pytest.raises(UsageError, match=r"Take one of the Hub's, such as apache-2.0 or cc-by-4.0, or other."):
        check_licence("§§§")


def test_no_word_is_there_twice():
    assert len(set(LICENCES)) == len(LICENCES)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("apache-2.0", "mit"),
        ("cc0-1.0", "apache-2.0"),
        ("cc-by-4.0", "apache-2.0"),
        ("cc-by-nc-4.0", "cc-by-nc-4.0"),
        ("cc-by-nc-4.0", "cc-by-nc-sa-4.0"),
        ("cc-by-sa-3.0", "cc-by-sa-4.0"),
        ("cc-by-sa-4.0", "cc-by-sa-4.0"),
        ("gpl-2.0", "gpl-3.0"),
        ("gpl", "gpl-3.0"),
        ("other", "other"),
        ("Apache-2.0", "mit"),
    ],
)
def test_these_may_be_republished_so(theirs, ours):
    check_lineage(ours, base=base(theirs))


@pytest.mark.parametrize(
    ("theirs", "ours", "wanted"),
    [
        ("cc-by-nc-4.0", "apache-2.0", "a licence that forbids commerce too"),
        ("h-research", "mit", "a licence that forbids commerce too"),
        ("cc-by-sa-4.0", "apache-2.0", "cc-by-sa-4.0 again"),
        ("cc-by-sa-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0 again"),
        ("cc-by-nc-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0 again"),
        ("gpl-3.0", "apache-2.0", "gpl-3.0 again"),
        ("cc-by-nd-4.0", "cc-by-nd-4.0", "nothing made from them may be published"),
        ("cc-by-nc-nd-4.0", "cc-by-nc-4.0", "nothing made from them may be published"),
        ("other", "mit", "requires other"),
        ("unknown", "mit", "nobody says under which licence"),
        (None, "mit", "nobody says under which licence"),
    ],
)
def test_these_may_not_be_republished_so(theirs, ours, wanted):
    with pytest.raises(UsageError, match=wanted):
        check_lineage(ours, base=base(theirs))


def test_the_remedy_names_the_argument():
    with pytest.raises(UsageError, match=r"find it out and say `base_license=LICENCE`"):
        check_lineage("mit", base=base(""))


def test_all_that_stands_against_a_licence_is_said_at_once():
    pictures = Origin(what="the pictures", license="cc-by-sa-4.0", argument="dataset_license")
    with pytest.raises(UsageError, match=r"the base filters 'b' are cc-by-nc-4.0.*; the pictures are cc-by-sa-4.0"):
        check_lineage("mit", base=base("cc-by-nc-4.0"), dataset=pictures)


def test_pictures_of_unknown_licence_are_allowed():
    check_lineage("mit", dataset=Origin(what="x", license=None, argument="dataset_license", must_be_known=False))


def test_unknown_is_no_licence_to_publish_under():
    with pytest.raises(UsageError, match=r"'unknown' is no licence to publish under"):
        check_lineage("unknown")


def test_kinds_of_licences():
    assert [one for one in ("cc-by-nc-4.0", "cc-by-4.0", "apple-amlr") if is_non_commercial(one)] == [
        "cc-by-nc-4.0",
        "apple-amlr",
    ]
    assert [one for one in ("cc-by-sa-4.0", "agpl-3.0", "mit", "odbl") if is_share_alike(one)] == [
        "cc-by-sa-4.0",
        "agpl-3.0",
        "odbl",
    ]


def test_the_bases_own_licence_is_the_default():
    settled = settle_licences(ancestry(base="b", base_license="cc-by-nc-4.0"), license=None)
    assert (settled.own, settled.base, settled.dataset) == ("cc-by-nc-4.0", "cc-by-nc-4.0", None)


def test_a_licence_is_asked_for_where_the_weights_lie():
    asked = []

    def ask(repo):
        asked.append(repo)
        return "bsd-3-clause"

    settled = settle_licences(ancestry(weights="hf://a/b@main", repo="a/b"), license="mit", ask=ask)
    assert (settled.base, asked) == ("bsd-3-clause", ["a/b"])


def test_a_folder_may_be_published_from_weights_whose_licence_nobody_says():
    assert settle_licences(ancestry(weights="vgg.safetensors"), license="mit").own == "mit"


def test_random_weights_need_no_licence_of_a_base():
    assert settle_licences(ancestry(), license="mit", ask=lambda repo: None).base is None


def test_what_the_publisher_knows_better_counts():
    with pytest.raises(UsageError, match=r"the base filters 'b' are cc-by-nc-4.0"):
        settle_licences(ancestry(base="b", base_license="mit"), license="mit", base_license="CC-BY-NC-4.0")
