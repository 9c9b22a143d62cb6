"""What is wrong with validation rules themselves, found when a kind is loaded (x-kubernetes-validations).

- A rule compiles, yields a boolean, and names fields that the schema declares; a message yields a text.
- oldSelf is only where an old value can be found: not in the items of a list that is no map.
"""

import re
from collections.abc import Iterator, Sequence

from apiserver.schema.cel import Declaration, ExpressionInvalid, compile_expression
from apiserver.schema.rule_texts import uses_old_self
from apiserver.schema.rule_values import declaration, escaped, visible_fields
from apiserver.schema.rules import REASONS, compile_message, compile_rule, field_place
from apiserver.schema.structural import Rule, Schema

_CHAIN = re.compile(
    r"""
      (?P<literal>[rR]?(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    | (?P<has>\bhas\(\s*)?(?<![\w.])(?P<variable>self|oldSelf)(?P<chain>(?:\s*\.\s*\??\s*[A-Za-z_]\w*)+)(?P<call>\s*\()?
    """,
    re.VERBOSE,
)
_STEP = re.compile(r"[A-Za-z_]\w*")


def rule_faults(
    schema: Schema, path: str = "openAPIV3Schema", *, is_root: bool = True, uncorrelated: str = ""
) -> Iterator[str]:
    """Of a schema and all that is in it. `uncorrelated` is the list in whose items there is no old value to find."""
    if not schema.bears_rules:
        return
    if schema.rules and not schema.type and not schema.int_or_string:
        yield f"{path}.x-kubernetes-validations: rule declared on schema that does not support validation rules: it has no type"
    for index, rule in enumerate(schema.rules):
        place = f"{path}.x-kubernetes-validations[{index}]"
        yield from _text_faults(rule, place)
        yield from _expression_faults(rule, schema, place, is_root=is_root)
        if uncorrelated and uses_old_self(rule.rule):
            yield f"{place}.rule: oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelated}"
    for where, child in schema.children:
        within = uncorrelated or (path if child is schema.items and schema.list_type != "map" else "")
        yield from rule_faults(child, f"{path}.{where}", is_root=False, uncorrelated=within)


def _text_faults(rule: Rule, place: str) -> Iterator[str]:
    message = rule.message.strip()
    if rule.message and not message:
        yield f"{place}.message: must be non-empty if specified"
    elif "\n" in message:
        yield f"{place}.message: must not contain line breaks"
    elif "\n" in rule.rule.strip() and not message:
        yield f"{place}.message: must be specified if rule contains line breaks"
    if rule.message_expression and not rule.message_expression.strip():
        yield f"{place}.messageExpression: must be non-empty if specified"
    if rule.reason not in REASONS:
        yield f"{place}.reason: {rule.reason!r} is not one of {', '.join(filter(None, REASONS))}"
    if rule.optional_old_self is not None and not uses_old_self(rule.rule):
        yield f"{place}.optionalOldSelf: may not be set if oldSelf is not used in rule"


def _expression_faults(rule: Rule, schema: Schema, place: str, *, is_root: bool) -> Iterator[str]:
    if not rule.rule.strip():
        yield f"{place}.rule: rule is not specified"
        return
    if rule.field_path and field_place(schema, rule.field_path) is None:
        yield f"{place}.fieldPath: must be a valid path"
    try:
        compile_rule(rule, schema)
        compile_message(rule, schema)
    except ExpressionInvalid as err:
        yield f"{place}: compilation failed: {err}"
        return
    wanted = (("rule", rule.rule, "bool"), ("messageExpression", rule.message_expression, "string"))
    for name, text, kind in wanted:
        yield from _type_faults(
            text, kind, schema, f"{place}.{name}", is_root=is_root, is_optional=bool(rule.optional_old_self)
        )


def _type_faults(
    text: str, kind: str, schema: Schema, place: str, *, is_root: bool, is_optional: bool
) -> Iterator[str]:
    """What the evaluator itself would find in a document only, as to it an object is a map of anything."""
    if not text:
        return
    try:
        typed_text, variables = _with_typed_fields(text, schema, is_root=is_root, is_optional=is_optional)
        result = compile_expression(typed_text, variables).result
    except ExpressionInvalid as err:
        yield f"{place}: compilation failed: {err}"
    else:
        if result not in {kind, "dyn"}:
            yield f"{place}: must evaluate to a {kind}"


def _with_typed_fields(
    text: str, schema: Schema, *, is_root: bool, is_optional: bool
) -> tuple[str, tuple[tuple[str, Declaration], ...]]:
    """The expression with a variable of the right type for each field that it names, and the variables. Raises ExpressionInvalid.

    Literals are left as they are, and so is the argument of has(), which must be a field.
    """
    itself = declaration(schema)
    variables: dict[str, Declaration] = {"self": itself, "oldSelf": ("dyn",) if is_optional else itself}

    def replaced(match: "re.Match[str]") -> str:
        if match["literal"] is not None or (is_optional and match["variable"] == "oldSelf"):
            return match[0]
        names = _STEP.findall(match["chain"])
        followed = names[:-1] if match["call"] else names
        leaf = _follow(schema, followed, is_root=is_root)
        if match["has"] or leaf is None or not followed or "?" in match["chain"]:
            return match[0]
        name = f"field_{len(variables)}"
        variables[name] = declaration(leaf, within=True)
        return name + (f".{names[-1]}{match['call']}" if match["call"] else "")

    return _CHAIN.sub(replaced, text), tuple(variables.items())


def _follow(schema: Schema, names: Sequence[str], *, is_root: bool) -> Schema | None:
    """The field that the names lead to; None where only a document can tell. Raises ExpressionInvalid where they lead nowhere."""
    known = schema
    for name in names:
        if known.int_or_string:
            return None
        if known.type != "object":
            raise ExpressionInvalid(f"type '{known.type}' does not support field selection: '{name}'")
        if isinstance(known.additional_properties, Schema):
            known = known.additional_properties
        else:
            fields = {escaped(field): child for field, child in visible_fields(known, is_root=is_root).items()}
            if name not in fields:
                raise ExpressionInvalid(f"undefined field '{name}'")
            known = fields[name]
        is_root = False
    return known
