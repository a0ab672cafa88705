from pcap520_fleet.groups import HOUR_NS, NS, Group, groups
from pcap520_fleet.listing import Capture

DAY = 24 * HOUR_NS


def capture(origin: str, first_ns: int) -> Capture:
    return Capture(f"/{origin}/{first_ns}", f"{origin}/{first_ns}", origin, 1, first_ns, None)


def firsts(captures) -> list[int]:
    return [capture.first_ns for capture in captures]


def test_a_group_holds_the_captures_of_one_origin_and_window():
    found = groups([capture("b", 5), capture("a", DAY + 1), capture("a", 2), capture("a", 1)])
    assert [(group.origin, group.start_ns, firsts(group.own)) for group in found] == [("a", 0, [1, 2]), ("a", DAY, [DAY + 1]), ("b", 0, [5])]


def test_the_groups_of_an_origin_report_every_moment_once():
    found = groups([capture("a", day * DAY + 7) for day in (0, 1, 5)])
    assert found[0].keep_from_ns < 0 and found[-1].keep_until_ns > 10**18
    for group, following in zip(found, found[1:]):
        assert group.keep_until_ns == following.keep_from_ns


def test_a_group_reads_the_file_before_its_first_and_what_follows_soon():
    hour = HOUR_NS
    found = groups([capture("a", first) for first in (DAY - 3 * hour, DAY - 2 * hour, DAY - 60 * NS, DAY + hour, 2 * DAY + 60 * NS, 2 * DAY + hour)])
    middle = found[1]
    assert firsts(middle.own) == [DAY + hour]
    assert firsts(middle.around) == [DAY - 2 * hour, DAY - 60 * NS, 2 * DAY + 60 * NS]


def test_a_group_is_the_same_after_a_journey_as_text():
    (group,) = groups([capture("a", 1)])
    assert Group.load(group.dump()) == group
    assert group.fingerprint() == Group.load(group.dump()).fingerprint()


def test_a_file_that_grew_changes_the_fingerprint():
    (before,) = groups([capture("a", 1)])
    (after,) = groups([Capture("/a/1", "a/1", "a", 2, 1, None)])
    assert before.fingerprint() != after.fingerprint()
