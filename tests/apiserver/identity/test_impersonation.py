"""Acting as somebody else: each thing that is claimed needs a right of its own."""

import pytest

from apiserver.errors import BadRequest, Forbidden, InternalError
from apiserver.identity.authorization import Authorizer
from apiserver.identity.impersonation import Impersonation
from apiserver.identity.user import User
from tests.apiserver.identity.handshakes import headers

CALLER = User(name="caller", groups=("system:authenticated",))
AS_BOB = ("Impersonate-User", "bob")


class Rights:
    """`apiserver.identity.authorization.AccessReviews` that allows what it was made with, and notes what is asked."""

    def __init__(self, *allowed):
        self._allowed = allowed
        self.asked = []

    async def review(self, user, attributes):
        assert (user, attributes.verb, attributes.version) == (CALLER, "impersonate", "v1")
        resource = "/".join(filter(None, (attributes.resource, attributes.subresource)))
        asked = (f"{resource}.{attributes.group}".rstrip("."), attributes.namespace, attributes.name)
        self.asked.append(asked)
        return None if asked in self._allowed or asked[0] in self._allowed else "no"


EVERYTHING = (
    *("users", "groups", "serviceaccounts", "uids.authentication.k8s.io"),
    *("userextras/scopes.authentication.k8s.io", "userextras/a/b.authentication.k8s.io"),
)


async def assumed(rights, *told):
    return await Impersonation(Authorizer(reviews=rights)).assume(CALLER, headers(*told))


async def test_whoever_claims_nothing_is_who_they_are():
    rights = Rights()

    assert await assumed(rights, ("X-Remote-User", "bob"), ("Impersonate", "bob")) is CALLER
    assert rights.asked == []


async def test_everything_that_is_claimed_is_asked_for_and_assumed():
    rights = Rights(*EVERYTHING)

    user = await assumed(
        rights,
        AS_BOB,
        ("Impersonate-Group", "dev"),
        ("impersonate-group", "ops"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Extra-Scopes", "x"),
        ("impersonate-extra-scopes", "y"),
        ("Impersonate-Extra-A%2Fb", "z"),
    )

    assert user == User(
        name="bob",
        uid="7",
        groups=("dev", "ops", "system:authenticated"),
        extra={"scopes": ("x", "y"), "a/b": ("z",)},
    )
    assert rights.asked == [
        ("users", "", "bob"),
        ("groups", "", "dev"),
        ("groups", "", "ops"),
        ("uids.authentication.k8s.io", "", "7"),
        ("userextras/scopes.authentication.k8s.io", "", "x"),
        ("userextras/scopes.authentication.k8s.io", "", "y"),
        ("userextras/a/b.authentication.k8s.io", "", "z"),
    ]


@pytest.mark.parametrize("missing", ["users", "groups", "uids.authentication.k8s.io", EVERYTHING[4]])
async def test_one_right_that_is_missing_is_enough(missing):
    rights = Rights(*(right for right in EVERYTHING if right != missing))
    told = [AS_BOB, ("Impersonate-Group", "dev"), ("Impersonate-Uid", "7"), ("Impersonate-Extra-Scopes", "x")]

    with pytest.raises(Forbidden, match='User "caller" cannot impersonate resource'):
        await assumed(rights, *told)


async def test_right_to_be_one_is_not_the_right_to_be_another():
    rights = Rights(("users", "", "bob"), ("groups", "", "dev"))

    assert (await assumed(rights, AS_BOB, ("Impersonate-Group", "dev"))).name == "bob"
    with pytest.raises(Forbidden):
        await assumed(rights, ("Impersonate-User", "root"))
    with pytest.raises(Forbidden):
        await assumed(rights, AS_BOB, ("Impersonate-Group", "dev"), ("Impersonate-Group", "system:masters"))


@pytest.mark.parametrize(
    "told",
    [
        ("Impersonate-Group", "dev"),
        ("Impersonate-Group", ""),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Extra-Scopes", "x"),
    ],
    ids=lambda told: told[0],
)
async def test_without_a_user_there_is_nobody_to_be(told):
    with pytest.raises(BadRequest, match="without impersonating a user"):
        await assumed(Rights(*EVERYTHING), told)


@pytest.mark.parametrize(
    ("name", "asked", "groups"),
    [
        (
            "system:serviceaccount:web:robot",
            ("serviceaccounts", "web", "robot"),
            ("system:serviceaccounts", "system:serviceaccounts:web", "system:authenticated"),
        ),
        ("system:serviceaccount:web:a.b", ("serviceaccounts", "web", "a.b"), None),
        ("system:serviceaccount:web", ("users", "", "system:serviceaccount:web"), ("system:authenticated",)),
        ("system:serviceaccount::x", ("users", "", "system:serviceaccount::x"), ("system:authenticated",)),
        ("system:serviceaccount:a:b:c", ("users", "", "system:serviceaccount:a:b:c"), ("system:authenticated",)),
        ("system:serviceaccount:A:x", ("users", "", "system:serviceaccount:A:x"), ("system:authenticated",)),
        ("system:serviceaccount:a:X", ("users", "", "system:serviceaccount:a:X"), ("system:authenticated",)),
        ("system:anonymous", ("users", "", "system:anonymous"), ("system:unauthenticated",)),
    ],
)
async def test_service_accounts_and_nobody_have_groups_of_their_own(name, asked, groups):
    rights = Rights(*EVERYTHING)

    user = await assumed(rights, ("Impersonate-User", name))

    assert rights.asked == [asked]
    assert user.name == name
    assert groups is None or user.groups == groups


@pytest.mark.parametrize(
    ("name", "claimed", "groups"),
    [
        ("bob", ["system:authenticated"], ("system:authenticated",)),
        ("bob", ["system:unauthenticated"], ("system:unauthenticated",)),
        ("system:anonymous", ["system:unauthenticated"], ("system:unauthenticated",)),
        ("system:serviceaccount:web:robot", ["dev"], ("dev", "system:authenticated")),
    ],
)
async def test_groups_that_are_claimed_replace_those_that_go_with_a_name(name, claimed, groups):
    told = [("Impersonate-User", name), *(("Impersonate-Group", group) for group in claimed)]

    assert (await assumed(Rights(*EVERYTHING), *told)).groups == groups


async def test_masters_need_no_right():
    master = User(name="root", groups=("system:masters",))

    user = await Impersonation(Authorizer()).assume(master, headers(AS_BOB, ("Impersonate-Group", "system:masters")))

    assert user.groups == ("system:masters", "system:authenticated")


async def test_members_of_masters_are_not_what_others_may_become_by_claiming_it():
    with pytest.raises(Forbidden):
        await Impersonation(Authorizer()).assume(CALLER, headers(AS_BOB, ("Impersonate-Group", "system:masters")))


@pytest.mark.parametrize(
    "told",
    [
        [("Impersonate-User", "\udcff")],
        [AS_BOB, ("Impersonate-Group", "\udcff")],
        [AS_BOB, ("Impersonate-Uid", "\udcff")],
        [AS_BOB, ("Impersonate-Extra-A", "\udcff")],
    ],
    ids=lambda told: told[-1][0],
)
async def test_users_that_cannot_be_spelt_are_refused(told):
    rights = Rights(*EVERYTHING)

    with pytest.raises(BadRequest, match="not UTF-8"):
        await assumed(rights, *told)
    assert rights.asked == []


async def test_a_cluster_that_cannot_say_makes_nobody_anybody():
    class Down:
        async def review(self, _user, _attributes):
            raise InternalError("down", retry_after=1)

    with pytest.raises(InternalError):
        await assumed(Down(), AS_BOB)
