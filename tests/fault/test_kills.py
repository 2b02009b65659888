"""Everything that can be killed is killed, at random and under load."""

import pytest

DATABASE = ("kill_backend", "restart_database", "kill_database")


@pytest.mark.parametrize("name, blow, pause", [
    ("workers killed", "kill_worker", (0.05, 0.3)),
    ("supervisor killed", "kill_supervisor", (0.3, 1)),
    ("web server killed", "kill_web_server", (0.2, 0.8)),
    ("backends terminated", "end_backend", (0.02, 0.2)),
    ("backends killed", "kill_backend", (0.1, 0.5)),
    ("PostgreSQL restarted at once", "restart_database", (0.1, 0.5)),
    ("PostgreSQL killed", "kill_database", (0.1, 0.5)),
])
def test_nothing_is_lost_when_it_is_killed(stand, trial, name, blow, pause):
    one = stand()
    supervisor = one.service.pid
    with trial(one, name, without_answer=blow == "kill_web_server") as t:
        for _ in t.blows(*pause):
            getattr(one, blow)(t)
    if blow != "kill_supervisor":
        assert one.service.pid == supervisor and not one.service.ended(), one.service.log()[-4000:]
    if blow in DATABASE:
        assert " died" not in one.service.log()


def test_nothing_is_lost_when_everything_is_killed_in_turn(stand, trial):
    one = stand()
    with trial(one, "all of them at random", without_answer=True) as t:
        for _ in t.blows(0, 0.3):
            t.random.choice([one.kill_worker] * 8 + [one.end_backend] * 4 + [one.kill_supervisor, one.kill_web_server] * 2 +
                            [one.kill_backend, one.restart_database, one.kill_database])(t)
