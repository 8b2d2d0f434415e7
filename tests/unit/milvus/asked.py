"""What Milvus does with an expression, in a few lines: enough of its language for what `write_condition` writes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from mercato.arrays import Bool
from mercato.milvus.facts import Facts, name_range


def answer_expression(expression: str, facts: Facts) -> Bool:
    """Tell which texts pass an expression, bool [texts]; an empty one passes all."""
    texts = len(facts.starts) - 1
    if not expression:
        return np.ones(texts, np.bool_)
    python = re.sub(r"array_contains_any\((\w+), (\[[^\]]*\])\)", r"bool(set(\1) & set(\2))", expression)
    found = []
    for text in range(texts):
        names: dict[str, Any] = {"text": text, "tokens": facts.tokens[facts.starts[text] : facts.starts[text + 1]]}
        names["tokens"] = names["tokens"].tolist()
        for position in range(len(facts.fields)):
            low, high = name_range(position)
            names[low], names[high] = float(facts.low[position, text]), float(facts.high[position, text])
        found.append(eval(python, {"__builtins__": {}, "bool": bool, "set": set}, names))
    return np.array(found, np.bool_)
