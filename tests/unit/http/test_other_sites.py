"""Web pages of other sites, in a browser on a machine where callers need no token."""

import pytest

from tests.support.application import running_application
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import settings

FRIEND = "https://tsm.example.org"
NO_SUCH_JOB = 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, NO_SUCH_JOB, id="program"),
        pytest.param({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:5000"}, NO_SUCH_JOB, id="own-page"),
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": FRIEND}, NO_SUCH_JOB, id="friend"),
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 400, id="other-site"),
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "null"}, 400, id="hidden-site"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 400, id="without-origin"),
        pytest.param({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:8000"}, 400, id="other-port"),
        # Browsers say `Sec-Fetch-Site` to addresses that they trust only: not where a proxy speaks plain HTTP.
        pytest.param({"Host": "bridge.lan", "Origin": "http://bridge.lan:8080"}, NO_SUCH_JOB, id="plain-http"),
        pytest.param({"Host": "[::1]:5000", "Origin": "http://[::1]:5000"}, NO_SUCH_JOB, id="plain-http-to-an-address"),
        pytest.param({"Origin": FRIEND}, NO_SUCH_JOB, id="plain-http-friend"),
        pytest.param({"Host": "bridge.lan", "Origin": "http://evil.lan"}, 400, id="plain-http-other-site"),
        pytest.param({"Host": "bridge.lan", "Origin": "null"}, 400, id="plain-http-hidden-site"),
        pytest.param({"Host": "bridge.lan", "Origin": "http://["}, 400, id="plain-http-no-origin"),
    ],
)
def test_other_sites_change_nothing(headers: dict[str, str], status: int) -> None:
    with running_application(MemoryGateway(), settings(cors_origins={FRIEND})) as client:
        assert client.simulate_post("/jobs/1/retry", headers=headers).status_code == status
        assert client.simulate_delete("/jobs/1", headers=headers).status_code == status
        assert client.simulate_get("/jobs", headers=headers).status_code in (200, 503)
