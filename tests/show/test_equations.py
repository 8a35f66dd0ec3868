import sympy

from facelib.show import equations


def test_sides_stand_in_one_equation_in_their_order(monkeypatch):
    shown = []
    monkeypatch.setattr(equations, "display", shown.append)
    a, b = sympy.symbols("b a")
    equations.show_equation(r"\Delta_p", a - b, 2)
    assert shown[0].data == r"$$\Delta_p = b - a = 2$$"
