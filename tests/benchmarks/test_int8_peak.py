"""Networks beside the machine's int8 peak."""

from benchmarks.int8_peak import measure


def test_files_take_turns_in_alternating_order():
    called = []
    times = measure({name: lambda name=name: called.append(name) for name in "abc"}, rounds=2)
    # Each is run once untimed before it is timed.
    assert "".join(called) == "ccbbaa" + "aabbcc"
    assert times.keys() == set("abc") and all(ms >= 0 for ms in times.values())
