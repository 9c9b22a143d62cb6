"""Who asks: front proxy, certificate, token, nobody; in this order, and each only with its proof."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from apiserver.cluster.retries import Pace
from apiserver.cluster.tokens import ClusterTokenReviews
from apiserver.errors import BadRequest, ServiceUnavailable, Unauthorized
from apiserver.identity.authentication import Authenticator
from apiserver.identity.trust import CaBundle, RequestHeaderSettings
from apiserver.identity.user import User
from tests.apiserver.cluster.backends import backend
from tests.apiserver.identity.handshakes import COMMON_NAME, DAY, ORGANIZATION, Authority, headers, trust_in

ALICE = ("X-Remote-User", "alice")
MASTERS = ("X-Remote-Group", "system:masters")
PROXY = "front-proxy-client"
ANONYMOUS = User(name="system:anonymous", groups=("system:unauthenticated",))


def now():
    return datetime.now(UTC)


@pytest.fixture
def authenticator(client_ca, proxy_ca):
    def make(**options):
        options.setdefault("trust", trust_in(client_ca, proxy_ca, (PROXY,)))
        return Authenticator(**{"clock": now, **options})

    return make


@pytest.fixture
def proxy(shown, client_ca, proxy_ca):
    """Connections of a front proxy, or of whoever has another name or CA."""

    def connect(name=PROXY, ca=None, trust=None):
        return shown(trust or trust_in(client_ca, proxy_ca), (ca or proxy_ca).issue((COMMON_NAME, name)))

    return connect


@pytest.fixture
def client(shown, client_ca, proxy_ca):
    def connect(*subject, **options):
        return shown(trust_in(client_ca, proxy_ca), client_ca.issue(*subject, **options))

    return connect


@pytest.fixture
def tokens():
    """Token reviews of a cluster that gives one answer."""
    with ThreadPoolExecutor(2) as workers:

        def of(served):
            return ClusterTokenReviews(
                served.connection(),
                remembered_seconds=10,
                workers=workers,
                monotonic=lambda: 0.0,
                entropy=bytes,
                pace=Pace(first=0.001, deadline=60.0),
            )

        yield of


def carol(_asked):
    return 201, {"status": {"authenticated": True, "user": {"username": "carol", "groups": ["g"]}}}


def nobodys(_asked):
    return 201, {"status": {}}


def down(_asked):
    return 503, {}


class TestFrontProxy:
    async def test_speaks_for_users_with_all_that_is_known_of_them(self, authenticator, proxy):
        user = await authenticator().authenticate(
            proxy(),
            headers(
                ALICE,
                ("X-Remote-Uid", "7"),
                ("X-Remote-Group", "dev"),
                ("X-Remote-Group", "ops"),
                ("X-Remote-Extra-Scopes", "a"),
                ("X-Remote-Extra-scopes", "b"),
                ("X-Remote-Extra-Authentication.kubernetes.io%2fcredential-Id", "x"),
            ),
            is_open=False,
        )

        assert user == User(
            name="alice",
            uid="7",
            groups=("dev", "ops", "system:authenticated"),
            extra={"scopes": ("a", "b"), "authentication.kubernetes.io/credential-id": ("x",)},
        )

    @pytest.mark.parametrize(
        ("name", "key"),
        [
            ("X-Remote-Extra-A%2FB", "a/b"),
            ("x-remote-extra-%C3%A9", "é"),
            ("X-Remote-Extra-100%", "100%"),
            ("X-Remote-Extra-%zz", "%zz"),
            ("X-Remote-Extra-a+b", "a+b"),
            ("X-Remote-Extra-", ""),
        ],
    )
    async def test_keys_of_extra_are_in_lower_case_and_without_percent_encoding(self, authenticator, proxy, name, key):
        user = await authenticator().authenticate(proxy(), headers(ALICE, (name, "v")), is_open=False)

        assert user.extra == {key: ("v",)}

    async def test_any_name_is_allowed_where_none_is_required(self, authenticator, proxy, client_ca, proxy_ca):
        trust = trust_in(client_ca, proxy_ca, ())

        user = await authenticator(trust=trust).authenticate(proxy("whoever"), headers(ALICE), is_open=False)

        assert user.name == "alice"

    async def test_group_is_not_told_twice(self, authenticator, proxy):
        told = headers(ALICE, ("X-Remote-Group", "system:authenticated"), ("X-Remote-Group", ""), *[MASTERS] * 2)

        user = await authenticator().authenticate(proxy(), told, is_open=False)

        assert user.groups == ("system:authenticated", "system:masters")

    async def test_of_another_name_is_nobody(self, authenticator, proxy):
        with pytest.raises(Unauthorized):
            await authenticator().authenticate(proxy("somebody"), headers(ALICE, MASTERS), is_open=False)

    async def test_that_names_nobody_is_nobody(self, authenticator, proxy):
        for told in (headers(MASTERS), headers(("X-Remote-User", ""), MASTERS), headers()):
            with pytest.raises(Unauthorized):
                await authenticator().authenticate(proxy(), told, is_open=False)

    async def test_headers_are_those_that_the_cluster_names(self, authenticator, proxy, client_ca, proxy_ca):
        trust = trust_in(client_ca)
        trust.set_request_header(
            RequestHeaderSettings(
                ca=proxy_ca.bundle,
                username_headers=("X-First", "X-User"),
                group_headers=("X-Team",),
                uid_headers=("X-Id",),
                extra_headers_prefix=("X-More-",),
            )
        )
        told = headers(("X-User", "alice"), ("X-Team", "dev"), ("X-Id", "7"), ("X-More-A", "b"), MASTERS, ALICE)

        user = await authenticator(trust=trust).authenticate(proxy(), told, is_open=False)

        assert user == User(name="alice", uid="7", groups=("dev", "system:authenticated"), extra={"a": ("b",)})

    @pytest.mark.parametrize(
        "told",
        [
            [("X-Remote-User", "\udcff")],
            [ALICE, ("X-Remote-Group", "\udcff")],
            [ALICE, ("X-Remote-Uid", "\udcff")],
            [ALICE, ("X-Remote-Extra-A", "\udcff")],
        ],
        ids=lambda told: told[-1][0],
    )
    async def test_users_that_cannot_be_spelt_are_refused(self, authenticator, proxy, told):
        with pytest.raises(BadRequest, match="not UTF-8"):
            await authenticator().authenticate(proxy(), headers(*told), is_open=False)

    async def test_with_a_certificate_that_has_expired_is_nobody(self, authenticator, proxy):
        later = authenticator(clock=lambda: now() + 2 * DAY)

        with pytest.raises(Unauthorized):
            await later.authenticate(proxy(), headers(ALICE, MASTERS), is_open=False)


class TestHeadersOfEverybodyElse:
    async def test_client_is_who_the_certificate_says_whatever_the_headers_say(self, authenticator, client):
        user = await authenticator().authenticate(
            client((COMMON_NAME, "bob"), (ORGANIZATION, "dev")), headers(ALICE, MASTERS), is_open=False
        )

        assert (user.name, user.groups) == ("bob", ("dev", "system:authenticated"))

    async def test_client_with_the_name_of_the_proxy_is_no_proxy(self, authenticator, client):
        user = await authenticator().authenticate(client((COMMON_NAME, PROXY)), headers(ALICE, MASTERS), is_open=False)

        assert (user.name, user.groups) == (PROXY, ("system:authenticated",))

    async def test_nobody_is_nobody(self, authenticator, shown, client_ca):
        for connection in (None, shown(trust_in(client_ca))):
            with pytest.raises(Unauthorized):
                await authenticator().authenticate(connection, headers(ALICE, MASTERS), is_open=False)

    async def test_without_a_ca_of_proxies_nobody_is_one(self, authenticator, proxy, client_ca):
        with pytest.raises(Unauthorized):
            await authenticator(trust=trust_in(client_ca)).authenticate(proxy(), headers(ALICE), is_open=False)


class TestCertificates:
    async def test_say_who_it_is_in_which_groups_and_by_which_credential(self, authenticator, shown, client_ca):
        trust = trust_in(client_ca)
        credential = client_ca.issue((COMMON_NAME, "bob"), (ORGANIZATION, "dev"), (ORGANIZATION, "ops"))

        user = await authenticator(trust=trust).authenticate(shown(trust, credential), headers(), is_open=False)

        fingerprint = hashlib.sha256(credential.der).hexdigest()
        assert user == User(
            name="bob",
            groups=("dev", "ops", "system:authenticated"),
            extra={"authentication.kubernetes.io/credential-id": (f"X509SHA256={fingerprint}",)},
        )

    async def test_without_a_common_name_are_nobodys(self, authenticator, client):
        for subject in ((), ((ORGANIZATION, "system:masters"),)):
            with pytest.raises(Unauthorized):
                await authenticator().authenticate(client(*subject), headers(), is_open=False)

    @pytest.mark.parametrize("moved", [2 * DAY, -2 * DAY])
    async def test_prove_nothing_outside_of_their_time(self, authenticator, client, moved):
        connection = client((COMMON_NAME, "bob"))

        with pytest.raises(Unauthorized):
            await authenticator(clock=lambda: now() + moved).authenticate(connection, headers(), is_open=False)

    async def test_prove_nothing_once_their_ca_is_not_trusted_and_again_when_it_is(
        self, authenticator, shown, client_ca
    ):
        trust = trust_in(client_ca)
        door, bob = authenticator(trust=trust), shown(trust, client_ca.issue((COMMON_NAME, "bob")))

        assert (await door.authenticate(bob, headers(), is_open=False)).name == "bob"
        trust.set_client_ca(Authority.root("other").bundle)
        with pytest.raises(Unauthorized):
            await door.authenticate(bob, headers(), is_open=False)
        trust.set_client_ca(CaBundle())
        with pytest.raises(Unauthorized):
            await door.authenticate(bob, headers(), is_open=False)
        trust.set_client_ca(client_ca.bundle)
        assert (await door.authenticate(bob, headers(), is_open=False)).name == "bob"


class TestTokens:
    async def test_say_who_it_is(self, authenticator, tokens):
        with backend(carol) as served:
            user = await authenticator(tokens=tokens(served)).authenticate(
                None, headers(("Authorization", "Bearer t")), is_open=False
            )

        assert user == User(name="carol", groups=("g", "system:authenticated"))

    @pytest.mark.parametrize("text", ["bearer t", "BEARER t", "Bearer   t  "])
    async def test_are_found_however_the_scheme_is_written(self, authenticator, tokens, text):
        with backend(carol) as served:
            await authenticator(tokens=tokens(served)).authenticate(
                None, headers(("Authorization", text)), is_open=False
            )

        assert served.asked[0].body["spec"]["token"] == "t"

    @pytest.mark.parametrize("text", ["Bearer", "Bearer ", "Basic dTpw", "Bearert", "", "Negotiate t"])
    async def test_are_not_looked_for_elsewhere(self, authenticator, tokens, text):
        with backend(carol) as served:
            user = await authenticator(tokens=tokens(served)).authenticate(
                None, headers(("Authorization", text)), is_open=True
            )

        assert (user, served.asked) == (ANONYMOUS, [])

    async def test_that_are_wrong_are_refused_also_where_nobody_need_show_one(self, authenticator, tokens):
        with backend(nobodys) as served:
            door = authenticator(tokens=tokens(served))
            for is_open in (True, False):
                with pytest.raises(Unauthorized):
                    await door.authenticate(None, headers(("Authorization", "Bearer t")), is_open=is_open)

    @pytest.mark.parametrize("token", ["\udcff", "x" * 40_000], ids=["no UTF-8", "too long"])
    async def test_that_cannot_be_tokens_do_not_reach_the_cluster(self, authenticator, tokens, token):
        with backend(carol) as served, pytest.raises(Unauthorized):
            await authenticator(tokens=tokens(served)).authenticate(
                None, headers(("Authorization", f"Bearer {token}")), is_open=False
            )

        assert served.asked == []

    async def test_are_refused_where_nobody_can_judge_them(self, authenticator):
        with pytest.raises(Unauthorized):
            await authenticator().authenticate(None, headers(("Authorization", "Bearer t")), is_open=True)

    async def test_are_an_error_and_neither_right_nor_wrong_while_the_cluster_is_down(self, authenticator, tokens):
        with backend(down) as served:
            door = authenticator(tokens=tokens(served))
            for is_open in (True, False):
                with pytest.raises(ServiceUnavailable, match="try again") as caught:
                    await door.authenticate(None, headers(("Authorization", "Bearer t")), is_open=is_open)

        assert caught.value.retry_after == 1
        assert "127.0.0.1" not in caught.value.message


class TestOrder:
    async def test_front_proxy_comes_before_token(self, authenticator, proxy, tokens):
        told = headers(ALICE, ("Authorization", "Bearer wrong"))
        with backend(nobodys) as served:
            user = await authenticator(tokens=tokens(served)).authenticate(proxy(), told, is_open=False)

        assert (user.name, served.asked) == ("alice", [])

    async def test_front_proxy_comes_before_its_own_certificate(self, authenticator, shown, client_ca):
        trust = trust_in(client_ca, client_ca, (PROXY,))
        connection = shown(trust, client_ca.issue((COMMON_NAME, PROXY)))
        door = authenticator(trust=trust)

        assert (await door.authenticate(connection, headers(ALICE), is_open=False)).name == "alice"
        assert (await door.authenticate(connection, headers(), is_open=False)).name == PROXY

    async def test_certificate_comes_before_token(self, authenticator, client, tokens):
        with backend(nobodys) as served:
            user = await authenticator(tokens=tokens(served)).authenticate(
                client((COMMON_NAME, "bob")), headers(("Authorization", "Bearer wrong")), is_open=False
            )

        assert (user.name, served.asked) == ("bob", [])

    async def test_token_is_judged_where_a_certificate_says_nothing(self, authenticator, client, tokens):
        with backend(carol) as served:
            user = await authenticator(tokens=tokens(served)).authenticate(
                client(), headers(("Authorization", "Bearer t")), is_open=False
            )

        assert user.name == "carol"


class TestAnonymous:
    async def test_is_whoever_shows_nothing_where_everything_is_open(self, authenticator):
        assert await authenticator().authenticate(None, headers(), is_open=True) == ANONYMOUS

    async def test_is_nobody_anywhere_else(self, authenticator):
        with pytest.raises(Unauthorized):
            await authenticator().authenticate(None, headers(), is_open=False)

    async def test_may_be_forbidden_everywhere(self, authenticator):
        with pytest.raises(Unauthorized):
            await authenticator(anonymous=False).authenticate(None, headers(), is_open=True)

    async def test_with_a_name_is_still_known_where_everything_is_open(self, authenticator, client):
        user = await authenticator().authenticate(client((COMMON_NAME, "bob")), headers(), is_open=True)

        assert user.name == "bob"


def test_a_user_that_no_json_can_say_is_known_as_such():
    assert User(name="é", groups=("𝄞",), extra={"a": ("b",)}).is_utf8
    assert not User(name="a", extra={"\udcff": ()}).is_utf8
