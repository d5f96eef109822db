"""What a strategy file may say at its top: imports, constants, functions; must never import or run the file."""

import ast

from mmfold.replay.strategy.body import Body, Refusal, Scope, is_int64
from mmfold.replay.strategy.own import is_declaration, read_numbers
from mmfold.replay.strategy.words import (
    ANNOTATIONS,
    ARGUMENTS,
    CALLED,
    HELPERS,
    NAMESPACE,
    NO_LIBM,
    NO_MEMORY,
    PUBLIC,
    REFUSED,
    public_module,
)


def refusals(source: str, function: str) -> list[Refusal]:
    """Return what a strategy's source may not say, in the order of its lines; empty means that it may be run."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [Refusal(error.lineno or 1, f"not Python: {error.msg}", "mend the line")]
    except ValueError as error:  # a zero byte
        return [Refusal(1, f"not Python: {error}", "give a text file")]
    rules = Rules()
    for index, statement in enumerate(tree.body):
        rules.check_top(statement, index == 0)
    if not rules.found and function not in rules.functions:
        names = ", ".join(sorted(rules.functions)) or "none"
        rules.refuse(None, f"no function {function!r} (functions here: {names})", "give FILE:FUNCTION")
    elif function in rules.functions and rules.functions[function] != len(ARGUMENTS):
        node = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function)
        rules.refuse(node, f"{function} does not take clock and instrument", f"write def {function}{CALLED}:")
    return sorted(set(rules.found))


class Rules(Scope):
    """The file's statements, from the top down."""

    def check_top(self, node: ast.stmt, is_first: bool) -> None:
        """Check one statement of the file: its docstring, an import, a constant or a function."""
        match node:
            case ast.Expr(value=ast.Constant(value=str())) if is_first:
                pass
            case ast.Import():
                self.check_import(node)
            case ast.ImportFrom():
                self.check_import_from(node)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict() as value) if is_declaration(name, value):
                self.check_declaration(node, name, value)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self.check_constant(node, name, value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value, annotation=annotation):
                self.check_annotation(annotation)
                self.check_constant(node, name, value)
            case ast.FunctionDef():
                self.check_function(node)
            case _ if type(node) in REFUSED:
                self.refuse(node, *REFUSED[type(node)])
            case _:
                self.refuse(node, f"{type(node).__name__} outside of a function", "only constants and functions")

    def check_import(self, node: ast.Import) -> None:
        """Let `import numpy as np` pass."""
        for alias in node.names:
            if alias.name == "numpy" and alias.asname == "np":
                self.has_numpy = True
            else:
                self.refuse(node, f"import of {alias.name}", import_instead(alias.name))

    def check_import_from(self, node: ast.ImportFrom) -> None:
        """Let the public names of the core pass."""
        module = public_module(node.module or ".")
        public = PUBLIC.get(module, frozenset()) if not node.level else frozenset()
        for alias in node.names:
            name = alias.asname or alias.name
            if alias.name not in public:
                known = f"from {module} a strategy may import {', '.join(sorted(public))}"
                self.refuse(node, f"import of {module}.{alias.name}", known if public else import_instead(module))
            elif self.is_taken(name):
                self.refuse(node, f"{name} a second time", "give it another name")
            elif module == "mmfold.engine.codes":
                self.enums[name] = alias.name
            elif alias.name.isupper() or alias.name[0].isupper():
                self.constants.add(name)
            else:
                self.helpers.add(name)

    def check_declaration(self, node: ast.stmt, name: str, value: ast.Dict) -> None:
        """Check PARAMS = {...} or MEMORY = {...}: above the functions that use it, once."""
        if self.is_taken(name):
            self.refuse(node, f"{name} a second time", "a file declares it once")
            return
        self.own[name], wrong = read_numbers(name, value)
        for one in wrong:
            self.refuse(one.node, one.what, one.instead)

    def check_constant(self, node: ast.stmt, name: str, value: ast.expr) -> None:
        """Check an assignment outside of a function."""
        if self.is_taken(name) or name.startswith("__"):
            self.refuse(node, f"{name} a second time", "a constant is set once; " + NO_MEMORY)
        before = len(self.found)
        Body(self, set()).check(value)
        calls = [one for one in ast.walk(value) if isinstance(one, ast.Call) and not is_int64(one.func)]
        if calls and len(self.found) == before:
            self.refuse(node, f"{name} is computed by a call", "a constant is a number, or made of constants")
        self.constants.add(name)

    def check_function(self, node: ast.FunctionDef) -> None:
        """Check a function; those above it may be called."""
        arguments = node.args
        if node.decorator_list:
            self.refuse(node, "a decorator", "leave it out: mm compiles every function of the file")
        if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs or arguments.defaults:
            self.refuse(node, "other than plain arguments", f"write def {node.name}(one, two):")
        names = [one.arg for one in arguments.args]
        for annotation in [node.returns, *(one.annotation for one in arguments.args)]:
            self.check_annotation(annotation)
        for name in [node.name, *names]:
            if self.is_taken(name) or name.startswith("__"):
                self.refuse(node, f"{name} a second time", "give it another name")
        body = Body(self, set(names))
        statements = node.body
        if isinstance(statements[0], ast.Expr) and isinstance(statements[0].value, ast.Constant):
            statements = statements[1:]
        body.run(statements)
        self.functions[node.name] = len(names)

    def check_annotation(self, annotation: ast.expr | None) -> None:
        """Let int, float, bool and None stand as types: an annotation is code that runs."""
        match annotation:
            case None | ast.Constant(value=None):
                pass
            case ast.Name(id=name) if name in ANNOTATIONS:
                pass
            case _:
                self.refuse(annotation, "an annotation other than int, float, bool, None", "leave it out")


def import_instead(module: str) -> str:
    """Return what to do instead of an import."""
    if module == "math" or module.partition(".")[0] in ("numpy", "cmath", "scipy"):
        return "import numpy as np (for np.int64 alone); " + NO_LIBM
    if module.startswith(f"{NAMESPACE}.engine"):
        return f"a strategy may import from {', '.join(sorted(PUBLIC))}"
    return HELPERS
