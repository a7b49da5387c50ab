"""Routing as it is tuned by who runs it: corrections, patterns, the threshold from evidence."""

import pytest

QUESTION = "what can you tell me about the weather"


def route(daemon, text, **params):
    return daemon.call("route", {"text": text, **params})


def learn(daemon, text, answer, **params):
    return daemon.call("learn", {"text": text, "route": answer, **params}, control=True)


def test_a_correction_wins_from_then_on(daemon):
    assert route(daemon, QUESTION)["route"] == "chat"
    assert learn(daemon, QUESTION, "sql") == {"corrections": 1}
    found = route(daemon, "  What can you TELL me\tabout the weather?! ")
    assert found["route"] == "sql" and found["confidence"] > 0.99
    assert [reason["signal"] for reason in found["reasons"]] == ["correction"]
    assert learn(daemon, QUESTION, "auto") == {"corrections": 0}
    assert route(daemon, QUESTION)["route"] == "chat"


def test_a_correction_outlives_the_daemon_and_its_router(daemon):
    learn(daemon, QUESTION, "sql")
    learn(daemon, "how many orders are there", "chat")
    old = daemon.pids("router")[0]
    daemon.kill("router")
    daemon.wait_replaced("router", old)
    assert route(daemon, QUESTION)["route"] == "sql"
    daemon.stop()
    daemon.start()
    assert route(daemon, QUESTION)["route"] == "sql"
    assert route(daemon, "How many orders are there?")["route"] == "chat"


def test_a_corrected_question_does_not_get_the_other_routes_answer(daemon):
    assert daemon.ask("how many orders are there")["route"] == "sql"
    assert daemon.ask("how many orders are there")["cached"]
    learn(daemon, "How many orders are there?", "chat")
    assert daemon.error("ask", {"question": "how many orders are there"}).code == "no_model"


def test_a_correction_of_one_database_goes_before_that_of_all(daemon, shop):
    learn(daemon, QUESTION, "chat")
    learn(daemon, QUESTION, "sql", database=shop["name"])
    assert route(daemon, QUESTION)["route"] == "sql"
    assert learn(daemon, QUESTION, "auto", database=shop["name"]) == {"corrections": 1}
    assert route(daemon, QUESTION)["route"] == "chat"


@pytest.mark.parametrize("params, code", [
    ({"text": "hm", "route": "perhaps"}, "bad_request"),
    ({"text": " ?! ", "route": "sql"}, "bad_request"),
    ({"text": "x" * 1025, "route": "sql"}, "too_large"),
    ({"text": "hm", "route": "sql", "database": "nowhere"}, "unknown_database"),
])
def test_what_cannot_be_learnt(shared_daemon, params, code):
    assert shared_daemon.error("learn", params, control=True).code == code


def test_ctl_teaches_and_forgets_routes(daemon):
    for words, kept in ((["--learn", "sql"], "1 correction is kept"), (["--forget"], "0 corrections are kept")):
        done = daemon.ctl("route", *words, QUESTION)
        assert done.returncode == 0 and kept in done.stdout, done.stderr
        assert route(daemon, QUESTION)["route"] == ("sql" if "sql" in words else "chat")
    refused = daemon.ctl("route", "--learn", "perhaps", QUESTION)
    assert refused.returncode == 2 and "--learn takes sql or chat" in refused.stderr


def test_learn_is_a_method_of_the_control_socket(shared_daemon):
    assert shared_daemon.error("learn", {"text": QUESTION, "route": "sql"}).code == "forbidden"


@pytest.mark.parametrize("content", [
    "", "nonsense\n", "optimax corrections 1\nsql\n\t\t\nsql\t\t\nperhaps\t\thm\n\xff\xfe\tx\ty\n",
])
def test_a_bad_state_file_is_said_and_survived(daemon, content):
    learn(daemon, QUESTION, "sql")
    daemon.stop()
    state = daemon.scratch / "state" / "corrections"
    state.write_bytes(content.encode("latin-1"))
    daemon.start()
    assert route(daemon, QUESTION)["route"] == "chat"
    assert str(state) in daemon.log()
    assert state.with_name("corrections.damaged").read_bytes() == content.encode("latin-1")
    assert learn(daemon, QUESTION, "sql") == {"corrections": 1}
    assert state.stat().st_mode & 0o777 == 0o600


def test_the_sound_lines_of_a_damaged_state_file_are_used(daemon):
    learn(daemon, QUESTION, "sql")
    daemon.stop()
    state = daemon.scratch / "state" / "corrections"
    sound = state.read_text()
    state.write_text(sound + "perhaps\t\thm\n")
    daemon.start()
    assert route(daemon, QUESTION)["route"] == "sql"
    assert "corrections: line 3: it is no correction: its route is neither sql nor chat; 1 line is left out" in daemon.log()
    assert state.read_text() == sound and "perhaps" in state.with_name("corrections.damaged").read_text()


def test_a_pattern_that_does_not_compile_fails_the_reload(daemon):
    daemon.configure({"routing": {"patterns": [{"route": "sql", "regex": "\\bkpi\\b", "weight": 9.0}]}})
    daemon.call("reload", control=True)
    assert route(daemon, "our kpi please")["route"] == "sql"
    daemon.configure({"routing": {"patterns": [{"route": "sql", "regex": "a(b", "weight": 9.0}]}})
    error = daemon.error("reload", control=True)
    assert error.code == "bad_request" and "routing.patterns[0].regex" in error.message
    assert route(daemon, "our kpi please")["route"] == "sql"


def test_decisions_are_counted_by_way(daemon):
    daemon.configure({"routing": {"min_confidence": "auto", "when_unsure": "refuse"}})
    assert daemon.call("reload", control=True)["changed"]
    learn(daemon, "list the orders, will you", "sql")
    before = daemon.stats()["heuristic_routing"]
    assert daemon.stats()["min_confidence"] == 0.75, "no model was asked yet"
    daemon.ask("SELECT count(*) FROM orders")
    daemon.ask("How many orders are there?")
    daemon.ask("How many customers are there?", route="sql")
    daemon.error("ask", {"question": "list the orders, will you"})
    daemon.error("ask", {"question": "the price of gold"})
    after = daemon.stats()["heuristic_routing"]
    grown = {way: after[way] - before[way] for way in after if after[way] != before[way]}
    grown.pop("percentage", None)
    assert grown == {"hits": 3, "sql_text": 1, "corrections": 1, "client": 1, "refused": 1}
    assert daemon.stats()["model_routing"] == {"hits": 0, "asked": 0, "agreed": 0}
