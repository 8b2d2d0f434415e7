from mercato_client._pages import KEPT_S, MOST_LISTS, PageMemory
from mercato_client.types import ResultPage

ASKED = {"PLACEMENT": "home-page", "USER_ID": "u", "PAGE_SIZE": 10, "OFFSET": 0, "CONTEXT": None, "OPTIONS": None}


def page(token: str) -> ResultPage:
    return ResultPage(results=(), total=0, page_token=token)


def test_a_list_is_known_whatever_page_and_moment_are_asked_for() -> None:
    memory = PageMemory()
    later = {**ASKED, "OFFSET": 10, "PAGE_SIZE": 5, "CONTEXT": {"time": 5}, "OPTIONS": {"page_token": "1AAAA"}}
    assert memory.name_list("recommend", ASKED) == memory.name_list("recommend", later)
    for other in ({"USER_ID": "v"}, {"OPTIONS": {"diversity": 1}}, {"CONTEXT": {"region": "x"}}, {"FILTER": "a"}):
        assert memory.name_list("recommend", {**ASKED, **other}) != memory.name_list("recommend", ASKED)


def test_the_last_token_is_kept_for_a_while() -> None:
    moment = [0.0]
    memory = PageMemory(clock=lambda: moment[0])
    assert memory.find_token("a") is None
    memory.keep_token("a", page("one"))
    memory.keep_token("a", page("two"))
    memory.keep_token("a", page(""))  # of a server that knows none
    assert memory.find_token("a") == "two"
    moment[0] = KEPT_S + 1
    assert memory.find_token("a") is None


def test_no_more_lists_are_kept_than_said() -> None:
    memory = PageMemory()
    for number in range(MOST_LISTS + 1):
        memory.keep_token(str(number), page("t"))
    assert memory.find_token("0") is None
    assert memory.find_token("1") == "t"
