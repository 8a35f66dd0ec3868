"""The source of a function, shown in the notebook that asks for it."""

import ast
import inspect
import sys
import textwrap

from IPython.display import Markdown


def show_source(*objects) -> Markdown:
    """The whole source of functions and classes, and of the private ones of their module that they use, highlighted.

    Above each stands where it is: its file, and its lines there.

    Raises:
        TypeError: what is neither a function nor a class, or has no source in a file.
    """
    found = []
    for thing in objects:
        thing = inspect.unwrap(thing) if callable(thing) else thing
        if not (inspect.isfunction(thing) or inspect.isclass(thing)) or not inspect.getmodule(thing):
            raise TypeError(f"{thing!r} is neither a function nor a class of a module")
        found += [one for one in _with_private(thing) if one not in found]
    return Markdown("\n\n".join(map(_describe, found)))


def _with_private(thing):
    """`thing`, then the private functions and classes of its module that it uses, directly or not."""
    module, found, left = vars(sys.modules[thing.__module__]), [], [thing]
    while left:
        one = inspect.unwrap(left.pop(0))
        if one in found:
            continue
        found.append(one)
        tree = ast.parse(textwrap.dedent(inspect.getsource(one)))
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id.startswith("_")]
        names.sort(key=lambda node: (node.lineno, node.col_offset))
        used = [module[node.id] for node in names if node.id in module]
        left += [other for other in used if getattr(other, "__module__", None) == thing.__module__]
    return found


def _describe(thing):
    lines, first = inspect.getsourcelines(thing)
    place = f"{thing.__module__.replace('.', '/')}.py"
    where = f"`{thing.__qualname__}` in `{place}`, lines {first} to {first + len(lines) - 1}"
    return f"{where}:\n\n```python\n{textwrap.dedent(''.join(lines)).rstrip()}\n```"
