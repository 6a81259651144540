"""The command that puts faults into the core: what it changes, and that it tells noticed from unnoticed."""

import ast

import pytest

from tests import faults

SOURCE = b'''
LIMIT = 5  # left as it is

def f(x: int = 3) -> bool:
    """Left as it is: 1 < 2."""
    if x < 2 and not x == 4:
        raise ValueError(x + 1)
    x += 1
    return min(x, -x) >= 0.5
'''


def test_every_kind_of_fault_is_made_once_and_is_a_program():
    made = {f"{fault.before} -> {fault.after}" for fault in faults.faults("f.py", SOURCE)}
    condition, last = "if x < 2 and not x == 4:", "return min(x, -x) >= 0.5"
    assert made >= {
        f"{condition} -> if (x <= 2) and not x == 4:",
        f"{condition} -> if (x < 2 or not x == 4):",
        f"{condition} -> if (x < 2):",
        f"{condition} -> if (not x == 4):",
        f"{condition} -> if x < 2 and (x == 4):",
        f"{condition} -> if x < 3 and not x == 4:",
        f"{condition} -> if x < 1 and not x == 4:",
        f"{condition} -> if True:",
        f"{condition} -> if False:",
        "x += 1 -> x -= 1",
        "x += 1 -> x += 2",
        "x += 1 -> pass",
        f"{last} -> return (min(x, -x) > 0.5)",
        f"{last} -> return max(x, -x) >= 0.5",
        f"{last} -> return min(x, (x)) >= 0.5",
        f"{last} -> return min(x, -x) >= 1.0",
    }
    assert not [change for change in made if "LIMIT" in change or "raise" in change or "Left" in change]
    for fault in faults.faults("f.py", SOURCE):
        assert fault.function == "f"
        assert ast.dump(ast.parse(fault.apply(SOURCE))) != ast.dump(ast.parse(SOURCE))


def test_the_order_is_fixed_and_does_not_depend_on_other_files():
    chosen = sorted(faults.all_faults(["mmdp/certificate.py"]), key=lambda fault: fault.rank(0))
    whole = sorted(faults.all_faults(["mmdp/certificate.py", "mmdp/bounds.py"]), key=lambda fault: fault.rank(0))
    assert [fault for fault in whole if fault.file == "mmdp/certificate.py"] == chosen
    assert len({str(fault) for fault in whole}) == len(whole)


def test_every_file_has_its_tests():
    for name in faults.TESTS:
        assert (faults.ROOT / name).exists()
        assert [test for test in faults.TESTS[name] if not (faults.ROOT / test).exists()] == []
    assert faults.tests_of("solvers/_exact/boxes.py") == faults.TESTS["solvers/_exact"]


def test_what_is_called_equivalent_is_a_fault():
    every = {str(fault) for fault in faults.all_faults([])}
    known = faults.equivalents()
    assert [fault for fault in known if fault not in every] == []
    assert all(known.values())


@pytest.mark.slow
def test_noticed_and_unnoticed_faults_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    wrong = [fault for fault in faults.all_faults(["mmdp/certificate.py"]) if "need - 1" in fault.before]
    harmless = faults.Fault("mmdp/certificate.py", "check", 0, 0, "", "nothing", "nothing")
    outcomes = faults.run([wrong[0], harmless], tmp_path, minutes=10, again=False)
    assert list(outcomes.values()) == ["failed", "passed"]
    assert faults.run([wrong[0], harmless], tmp_path, minutes=0, again=False) == outcomes
    table = faults.report([wrong[0], harmless], outcomes)
    assert "1 of 2 faults that change behaviour are caught: 50.0 %" in table
    assert "survived: mmdp/certificate.py check: nothing -> nothing" in table
